//! Frequencies, counts and printed tables.

use super::{Words, grouped};
use crate::facts::{Evidence, Statistics, What};

/// What a piece of evidence says.
pub fn evidence(table: &Statistics, found: &Evidence) -> Words {
    let words = words(table, found);
    Words { en: agreed(found.number, &words.en), ..words }
}

/// `[one|more]` is the first for one, the second for any other number.
fn agreed(number: u64, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('[')
        && let Some((one, behind)) = behind.split_once('|')
        && let Some((more, behind)) = behind.split_once(']')
    {
        out.push_str(before);
        out.push_str(if number == 1 { one } else { more });
        rest = behind;
    }
    out + rest
}

fn words(table: &Statistics, found: &Evidence) -> Words {
    let n = grouped(found.number);
    let of = grouped(table.rows);
    let min = table.minimum;
    let floor = (2 * min).saturating_sub(1);
    let few = min.saturating_sub(1);
    let copy = "take the filtered copy: sekisho check --fix DIR";
    let copy_ja = "除外済みの写しを作成してください: sekisho check --fix DIR";
    match found.what {
        What::FewSubjects => Words::new(
            format!("{n} of {of} sites [was|were] looked at in fewer than {min} subjects"),
            format!("leave these sites out, or {copy}"),
            format!("{of} 部位中 {n} 部位で対象者が {min} 人未満です"),
            copy_ja,
        ),
        What::MaybeFewSubjects => Words::new(
            format!(
                "{n} of {of} sites may have been looked at in fewer than {min} subjects (one chromosome a person)"
            ),
            format!("print the number of subjects, or {copy}"),
            format!("{of} 部位中 {n} 部位で対象者が {min} 人未満の可能性があります（一人一本の染色体）"),
            format!("対象者数を明記するか、{copy_ja}"),
        ),
        What::FewCarriers => Words::new(
            format!("{n} of {of} sites [has|have] an allele carried by 1 to {few} subjects"),
            format!("keep sites whose both alleles have at least {floor} copies; {copy}"),
            format!("{of} 部位中 {n} 部位でアレルの保有者が 1～{few} 人です"),
            format!("両アレルとも {floor} 本以上の部位だけを残してください。{copy_ja}"),
        ),
        What::MaybeFewCarriers => Words::new(
            format!("{n} of {of} sites [has|have] an allele whose carriers may be fewer than {min}"),
            format!("keep sites whose both alleles have at least {floor} copies; {copy}"),
            format!("{of} 部位中 {n} 部位でアレルの保有者が {min} 人未満の可能性があります"),
            format!("両アレルとも {floor} 本以上の部位だけを残してください。{copy_ja}"),
        ),
        What::NoCarriers => Words::new(
            format!("{n} of {of} sites [has|have] an allele that nobody carries"),
            format!("leave monomorphic sites out; {copy}"),
            format!("{of} 部位中 {n} 部位で保有者のいないアレルがあります"),
            format!("単型の部位を除いてください。{copy_ja}"),
        ),
        What::SmallGenotype => Words::new(
            format!("{n} genotype [count is|counts are] 1 to {few} subjects"),
            format!("leave these sites out, or {copy}"),
            format!("遺伝型の人数が 1～{few} 人の箇所が {n} あります"),
            copy_ja,
        ),
        What::NoGenotype => Words::new(
            format!("{n} genotype [count is|counts are] zero"),
            "have the officer judge whether the zeros say something about the group",
            format!("遺伝型の人数が 0 の箇所が {n} あります"),
            "0 が集団について何かを示すか、審査担当者の判断を仰いでください",
        ),
        What::UnknownSubjects => Words::new(
            "frequencies or effects without a number of subjects: people cannot be counted",
            "add a column N or AN, or declare subjects (or groups) for this file in request.toml",
            "対象者数のない頻度または効果量です。人数を計算できません",
            "N または AN の列を加えるか、request.toml で対象者数（群ごとなら groups）を申告してください",
        ),
        What::SubjectsRefuted => Words::new(
            "the stated number of subjects does not fit the values",
            "correct the number of subjects; it must be the number these values were computed from",
            "記載された対象者数が値と合いません",
            "値の計算に使った対象者数に訂正してください",
        ),
        What::UnclearFractions => Words::new(
            "a column of fractions that no name explains; they may be frequencies",
            "name the column after what it holds, or declare its group in request.toml",
            "列名から意味の分からない割合の列です。頻度の可能性があります",
            "内容を表す列名にするか、request.toml で群を申告してください",
        ),
        What::SmallCount => Words::new(
            format!("{n} [count|counts] of 1 to {few} subjects"),
            "merge categories, or take the suppressed copy: sekisho check --fix DIR",
            format!("1～{few} 人の度数が {n} 箇所あります"),
            "区分を併合するか、秘匿済みの写しを作成してください: sekisho check --fix DIR",
        ),
        What::ZeroCount => Words::new(
            format!("{n} [count|counts] of zero"),
            "have the officer judge whether a zero says something about everybody in its group",
            format!("0 人の度数が {n} 箇所あります"),
            "0 がその群の全員について何かを示さないか、審査担当者の判断を仰いでください",
        ),
        What::DerivedCount => Words::new(
            format!(
                "{n} [count|counts] of 1 to {few} subjects [follows|follow] from totals and the other cells"
            ),
            "hide a second cell in the same row and column, or take the suppressed copy: sekisho check --fix DIR",
            format!("合計と他のセルから 1～{few} 人と分かる度数が {n} 箇所あります"),
            "同じ行と列でもう一つのセルを秘匿するか、秘匿済みの写しを作成してください: sekisho check --fix DIR",
        ),
        What::ImpliedCount => Words::new(
            format!("{n} [percentage gives a count|percentages give counts] of 1 to {few} subjects"),
            "merge categories or leave these percentages out",
            format!("割合から 1～{few} 人と分かる箇所が {n} あります"),
            "区分を併合するか、その割合を除いてください",
        ),
        What::MaybeImpliedCount => Words::new(
            format!("{n} [percentage|percentages] may stand for fewer than {min} subjects"),
            "print the counts beside the percentages",
            format!("{min} 人未満かもしれない割合が {n} 箇所あります"),
            "割合の横に人数を明記してください",
        ),
        What::Unsolved => Words::new(
            "too many suppressed cells to show that none can be derived",
            "give the table in smaller parts, or without its totals",
            "秘匿セルが多すぎて、逆算できないことを確認できません",
            "表を分けるか、合計を除いてください",
        ),
        What::SubjectRows => Words::new(
            format!("one row a subject: {n} [row|rows]"),
            "release a summary over groups of subjects instead of the rows",
            format!("一人一行のデータです（{n} 行）"),
            "行そのものではなく、群ごとの集計を提出してください",
        ),
        What::UnclearCounts => Words::new(
            format!(
                "{n} whole [number|numbers] of 1 to {few} in a column that no name explains; [it may be a count|they may be counts] of subjects"
            ),
            "name the column after what it holds",
            format!("列名から意味の分からない 1～{few} の整数が {n} 個あります。人数の可能性があります"),
            "内容を表す列名にしてください",
        ),
        What::UnknownBase => Words::new(
            "percentages without the number of subjects they are taken of",
            "add the counts, or declare subjects for this file in request.toml",
            "母数のない割合です",
            "人数を加えるか、request.toml で対象者数を申告してください",
        ),
        What::Extreme => Words::new(
            format!(
                "{n} [minimum, maximum or outer percentile|minima, maxima or outer percentiles]: each may be one subject's value"
            ),
            "leave them out, or have the officer judge them",
            format!("最小値・最大値などが {n} 箇所あります。特定の一人の値の可能性があります"),
            "除くか、審査担当者の判断を仰いでください",
        ),
        What::SmallDifference => Words::new(
            format!("two numbers of subjects differ by 1 to {few}: the difference is a count of subjects"),
            "leave one of the two numbers out, or have the officer judge what the difference tells",
            format!("二つの対象者数の差が 1～{few} 人です。差も人数です"),
            "一方を除くか、差が何を示すか審査担当者の判断を仰いでください",
        ),
        What::SubjectFeatures => Words::new(
            format!("one row a subject, of derived features: {n} [row|rows]"),
            "release the plot (5-4(2)(iii)) or a summary instead of the table",
            format!("一人一行の特徴量の表です（{n} 行）"),
            "表ではなく図（5-4(2)(iii)）または集計を提出してください",
        ),
        What::FewRows => Words::new(
            format!("the table describes {n} [subject|subjects], fewer than {min}"),
            "release results about at least this many subjects",
            format!("対象者が {n} 人で、{min} 人未満です"),
            "十分な人数についての結果を提出してください",
        ),
        What::Unparsed => Words::new(
            format!("{n} [row or value does|rows or values do] not fit the header"),
            "correct the rows, or write the file again with the tool that made it",
            format!("見出しと合わない行または値が {n} あります"),
            "該当行を直すか、元のツールで出力し直してください",
        ),
        What::UnclearText => Words::new(
            format!("{n} [line of text holds|lines of text hold] numbers that no known table form explains"),
            "have the officer read them, or give the table as CSV or TSV",
            format!("既知の表の形では説明できない数値を含む行が {n} あります"),
            "審査担当者に読んでもらうか、表を CSV や TSV で提出してください",
        ),
        What::RunLog => Words::new(
            "the log of a program run: it may name paths, samples and numbers removed",
            "leave it out, or have the officer read it",
            "プログラムの実行ログです。パス、試料名、除外人数を含む可能性があります",
            "除くか、審査担当者に読んでもらってください",
        ),
        What::ExtraDigits => Words::new(
            format!(
                "{n} [number has|numbers have] more significant digits than allowed: digits can carry hidden data"
            ),
            format!("round them, or {copy}"),
            format!("有効桁数が上限を超える数値が {n} 個あります。余分な桁はデータの隠し場所になります"),
            format!("丸めるか、{copy_ja}"),
        ),
        What::EncodedText => Words::new(
            format!("{n} long [run|runs] of encoded data inside text"),
            "leave the encoded data out",
            format!("符号化されたデータと思われる長い文字列が {n} 箇所あります"),
            "符号化されたデータを除いてください",
        ),
        What::Personal => Words::new(
            format!("personal information in {n} [place|places]"),
            "take the column or the value out",
            format!("個人情報が {n} 箇所あります"),
            "該当する列または値を除いてください",
        ),
        What::CodedColumn => Words::new(
            "a column that may carry a code of its own: few values in turn, few heaps of values, or few last digits",
            "leave the column out, or tell the officer what it holds and why the result needs it",
            "独自の符号を含みうる列です（少数の値の繰り返し、値のかたまり、末尾の数字の偏り）",
            "列を除くか、内容と必要な理由を審査担当者に説明してください",
        ),
        What::UnprovenSubjects => Words::new(
            format!(
                "{n} of {of} sites [passes|pass] only by the declared number of subjects; the values would fit fewer"
            ),
            "print the number of subjects (N or AN) beside the frequencies, or print them with more digits",
            format!(
                "{of} 部位中 {n} 部位は申告された対象者数だけが根拠です。値はより少ない人数とも矛盾しません"
            ),
            "頻度の横に対象者数（N または AN）を書くか、桁数を増やしてください",
        ),
        What::UnclearRows => Words::new(
            format!(
                "{n} [row that no column explains; it may be a person's|rows that no column explains; they may be one a person]"
            ),
            "name the rows and the columns after what they hold, or add the number of subjects of each row",
            format!("何の行か分からない行が {n} あります。一人一行の可能性があります"),
            "行と列に内容を表す名前を付けるか、各行の対象者数を加えてください",
        ),
        What::Hidden => Words::new(
            format!("content that is not seen when the file is opened, in {n} [place|places]"),
            "take it out (plots and notebooks: sekisho check --fix DIR), or give the visible tables as CSV or TSV",
            format!("ファイルを開いても見えない内容が {n} 箇所あります"),
            "該当箇所を除くか（図とノートブックは sekisho check --fix DIR）、見えている表を CSV や TSV で提出してください",
        ),
        What::Noise => Words::new(
            "pixels that look like noise: data may ride in them",
            "take the copy in the picture's main colours: sekisho check --fix DIR; or have the officer look at it",
            "ノイズのような画素があります。データを隠せる状態です",
            "主な色だけの写しを作成するか（sekisho check --fix DIR）、審査担当者に確認してもらってください",
        ),
        What::Cells => Words::new(
            "a picture of many cells in rows and columns: it may show a value a person",
            "draw points, or sums over groups; or tell the officer what one cell stands for",
            "行と列に並んだ多数のマスからなる図です。一人ひとりの値を示している可能性があります",
            "点や群ごとの集計で描くか、1 マスが何を表すかを審査担当者に説明してください",
        ),
        What::MaybePersonal => Words::new(
            format!("{n} [value|values] that may be personal information"),
            "take them out, or tell the officer what they are",
            format!("個人情報の可能性がある値が {n} 個あります"),
            "除くか、内容を審査担当者に説明してください",
        ),
    }
}

/// Two tables about nearly the same people.
pub fn differencing(minimum: u64) -> Words {
    let few = minimum.saturating_sub(1);
    Words::new(
        format!(
            "two tables are about the same people but for 1 to {few}: their difference is about these few"
        ),
        "release one of the two tables, or compute both from the same people",
        format!("二つの表の対象者が 1～{few} 人だけ異なります。差がその数人についての値になります"),
        "どちらか一方だけを提出するか、同じ対象者で計算し直してください",
    )
}

/// A table about nearly the same people was released earlier.
pub fn differencing_earlier(minimum: u64) -> Words {
    let few = minimum.saturating_sub(1);
    Words::new(
        format!(
            "this table and one that the plan released earlier are about the same people but for 1 to {few}: their difference is about these few"
        ),
        "what has left cannot be taken back: compute this table from the same people as the earlier one, or from at least ten more or fewer",
        format!(
            "この計画で既に持ち出された表と、対象者が 1～{few} 人だけ異なります。差がその数人についての値になります"
        ),
        "持ち出し済みの表は取り消せません。同じ対象者で計算し直すか、対象者を 10 人以上変えてください",
    )
}

/// Two tables of sites that cannot be matched, from cohorts of nearly the same size.
pub fn like_cohorts(minimum: u64) -> Words {
    let few = minimum.saturating_sub(1);
    Words::new(
        format!(
            "two tables of sites under different names are from cohorts that differ by 1 to {few} in size: they may be the same people but for a few"
        ),
        "tell the officer whether the cohorts are the same people; name sites alike in both tables",
        format!(
            "部位名が対応しない二つの表の対象者数が 1～{few} 人だけ異なります。ほぼ同じ人々の可能性があります"
        ),
        "同じ対象者かどうかを審査担当者に説明し、両方の表で部位名をそろえてください",
    )
}

/// More tables than are compared.
pub fn too_many_tables(most: usize) -> Words {
    Words::new(
        format!("more than {most} tables in one request: this one was not compared with the others"),
        "submit fewer tables at a time",
        format!("一つの申請に {most} を超える表があり、この表は他の表と比較されていません"),
        "一度に提出する表を減らしてください",
    )
}

/// Hidden cells that follow from several tables together.
pub fn shared_margins(minimum: u64) -> Words {
    let few = minimum.saturating_sub(1);
    Words::new(
        format!(
            "a suppressed count of 1 to {few} follows from this table and others together: they share margins"
        ),
        "suppress the same cells in all tables, and a second one in each row and column, or leave out the shared totals",
        format!("他の表と合わせると、伏せた 1～{few} 人の値が計算できます（合計が共通です）"),
        "すべての表で同じセルを伏せ、各行・各列でもう一つ伏せるか、共通の合計を除いてください",
    )
}

/// Too much to solve.
pub fn shared_margins_unsolved() -> Words {
    Words::new(
        "tables with suppressed cells share margins with others, and together they are too large to solve",
        "submit fewer tables at a time, or leave out the shared totals",
        "伏せたセルのある表が他の表と合計を共有していますが、大きすぎて計算できません",
        "一度に提出する表を減らすか、共通の合計を除いてください",
    )
}

/// The limit was another one when the file was read.
pub fn other_limit() -> Words {
    Words::new(
        "the file was inspected against another limit than the policy in force",
        "submit the file again",
        "検査時と現在のポリシーの閾値が異なります",
        "提出し直してください",
    )
}

#[cfg(test)]
mod tests {
    use super::agreed;

    #[test]
    fn one_is_said_as_one() {
        let text = "{n} [line of text holds|lines of text hold] numbers; [it|they]";
        assert_eq!(agreed(1, text), "{n} line of text holds numbers; it");
        assert_eq!(agreed(0, text), "{n} lines of text hold numbers; they");
        assert_eq!(agreed(1, "a[b"), "a[b");
    }
}
