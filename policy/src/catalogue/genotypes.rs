//! Words of the rule `individual_genotypes`.

use super::{Words, grouped};
use crate::facts::Proof;

const WAY_OUT: &str =
    "release allele frequencies or association results instead, or keep no more sites than the limit";
const WAY_OUT_JA: &str =
    "代わりにアレル頻度や関連解析の結果を提出するか、部位の数を上限以下に減らしてください";

/// No more sites than the limit.
pub fn few(sites: u64, limit: u64) -> Words {
    if sites == limit {
        Words::new(
            format!(
                "per-person genotypes at exactly {limit} sites: the national guideline already counts 40 or more"
            ),
            "an officer must judge it; one site fewer is below every limit",
            format!("個人別の遺伝型がちょうど {limit} 部位あります（国の指針では 40 以上が対象）"),
            "審査担当者の判断が必要です。一部位減らせばどの上限も下回ります",
        )
    } else {
        Words::new(
            format!("per-person genotypes at {} sites, below the limit of {limit}", grouped(sites)),
            "an officer must judge whether persons have to be listed one by one",
            format!("個人別の遺伝型が {} 部位あります（上限 {limit} 未満）", grouped(sites)),
            "個人別に示す必要があるか、審査担当者の判断が必要です",
        )
    }
}

/// Too many sites, with the reason why they count as independent.
pub fn too_many(sites: u64, limit: u64, proof: Proof, independent: Option<u64>) -> Words {
    let n = grouped(sites);
    let (why, why_ja) = match (proof, independent) {
        (Proof::FarApart, Some(k)) => (
            format!("at least {} of them are 250 kb or more apart", grouped(k)),
            format!("少なくとも {} 部位が互いに 250 kb 以上離れています", grouped(k)),
        ),
        (Proof::Unlinked, Some(k)) => (
            format!("at least {} of them are independent (r² < 0.2 within 1 Mb, greedy)", grouped(k)),
            format!("少なくとも {} 部位が独立です（1 Mb 以内で r² < 0.2、貪欲法）", grouped(k)),
        ),
        (Proof::FewPersons, _) => (
            "fewer than 100 persons, so dependence cannot be shown from the file".into(),
            "100 人未満のため、ファイルから連鎖を示せません".into(),
        ),
        (Proof::TooLarge, _) => (
            "the matrix is too large for dependence to be measured".into(),
            "行列が大きすぎて連鎖を測れません".into(),
        ),
        _ => {
            ("without positions dependence cannot be shown".into(), "位置情報がなく、連鎖を示せません".into())
        }
    };
    Words::new(
        format!("per-person genotypes at more than {limit} sites ({n} or more in one person); {why}"),
        WAY_OUT,
        format!("個人別の遺伝型が上限 {limit} 部位を超えています（一人で {n} 部位以上）。{why_ja}"),
        WAY_OUT_JA,
    )
}

/// Many sites, few of them independent.
pub fn linked(sites: u64, limit: u64, thinned: u64, unlinked: u64, patterns: Option<u64>) -> Words {
    let (seen, seen_ja) = patterns.map_or((String::new(), String::new()), |p| {
        (
            format!("; {} different genotype patterns", grouped(p)),
            format!("、遺伝型パターン {} 種", grouped(p)),
        )
    });
    Words::new(
        format!(
            "per-person genotypes at {} sites, of which {} are independent (r² < 0.2 within 1 Mb, greedy) and {} are 250 kb apart{seen}",
            grouped(sites),
            grouped(unlinked),
            grouped(thinned)
        ),
        format!("an officer must judge the proof of dependence; the limit is {limit} independent sites"),
        format!(
            "個人別の遺伝型が {} 部位あり、うち独立は {} 部位（1 Mb 以内で r² < 0.2、貪欲法）、250 kb 間隔では {} 部位です{seen_ja}",
            grouped(sites),
            grouped(unlinked),
            grouped(thinned)
        ),
        format!("連鎖の根拠について審査担当者の判断が必要です（上限は独立 {limit} 部位）"),
    )
}

/// How many genotype files count together.
#[derive(Debug, Clone, Copy)]
pub struct Files {
    /// In the request.
    pub here: u64,
    /// Released earlier under the same plan.
    pub earlier: u64,
}

impl Files {
    fn words(self) -> String {
        match (self.here, self.earlier) {
            (n, 0) => format!("the {n} genotype files of this request"),
            (n, m) => {
                format!("the genotype files of this request ({n}) and of earlier releases of the plan ({m})")
            }
        }
    }

    fn words_ja(self) -> String {
        match (self.here, self.earlier) {
            (n, 0) => format!("この申請の遺伝型ファイル {n} 件"),
            (n, m) => format!("この申請の遺伝型ファイル {n} 件と、この計画で既に持ち出された {m} 件"),
        }
    }
}

/// Sites of several files, taken together, are too many.
pub fn together(sites: u64, limit: u64, files: Files) -> Words {
    Words::new(
        format!(
            "{} together show {} sites, over the limit of {limit}; splitting a matrix does not change what it shows",
            files.words(),
            grouped(sites)
        ),
        format!(
            "{WAY_OUT}; ids can be renamed, so different persons count together as well: use the same sites for all"
        ),
        format!(
            "{}を合わせると {} 部位で、上限 {limit} を超えています。分割しても内容は変わりません",
            files.words_ja(),
            grouped(sites)
        ),
        format!(
            "{WAY_OUT_JA}。識別子は付け替えられるため、別の人のファイルも合算します。全員で同じ部位を使ってください"
        ),
    )
}

/// Sites of several files together are many, few of them independent.
pub fn together_linked(sites: u64, limit: u64, files: Files, unlinked: u64) -> Words {
    Words::new(
        format!(
            "{} together show {} sites, of which at most {} are independent (r² < 0.2 within 1 Mb, greedy)",
            files.words(),
            grouped(sites),
            grouped(unlinked)
        ),
        format!("an officer must judge the proof of dependence; the limit is {limit} independent sites"),
        format!(
            "{}を合わせると {} 部位で、独立は多くて {} 部位です（1 Mb 以内で r² < 0.2、貪欲法）",
            files.words_ja(),
            grouped(sites),
            grouped(unlinked)
        ),
        format!("連鎖の根拠について審査担当者の判断が必要です（上限は独立 {limit} 部位）"),
    )
}

/// A `.bed` without its companions.
pub fn lone_bed() -> Words {
    Words::new(
        "a PLINK .bed holds per-person genotypes, and no .bim and .fam of this request fit its size",
        "give .bed, .bim and .fam together; a .bed with more than the limit of independent sites cannot leave",
        "PLINK の .bed は個人別の遺伝型ですが、大きさの合う .bim と .fam がこの申請にありません",
        ".bed、.bim、.fam を一緒に提出してください。独立部位が上限を超える .bed は持ち出せません",
    )
}

/// It cannot be told which side is persons.
pub fn orientation() -> Words {
    Words::new(
        "it cannot be told whether rows or columns are persons; the larger side was counted as sites",
        "name the site columns or rows by rs id or chromosome:position",
        "行と列のどちらが個人か判別できないため、多い方を部位として数えました",
        "部位の列または行を rs 番号か 染色体:位置 で示してください",
    )
}

/// Short tandem repeats of persons.
pub fn repeats(loci: u64, limit: u64) -> Words {
    Words::new(
        format!("short tandem repeats of persons at {loci} loci; {limit} or more are personal information"),
        "release allele frequencies of the loci instead, or have the officer judge fewer loci",
        format!("個人別の STR が {loci} 座位あります（{limit} 座位以上は個人識別符号に該当します）"),
        "代わりに座位ごとのアレル頻度を提出するか、座位を減らして審査担当者の判断を仰いでください",
    )
}
