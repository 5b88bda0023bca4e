//! What a column of a table about people holds, by its header word (English and Japanese).

use crate::readers::sites::roles::spelling;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Numbers of people.
    Count,
    /// Percentages or shares of people.
    Percent,
    /// A statistic that is no count: mean, effect, p-value, time.
    Statistic,
    /// One subject's value: minimum, maximum, outer percentile.
    Extreme,
    /// A coded category: stage, year, quintile.
    Category,
    /// An attribute of a person: age, sex, weight.
    Attribute,
    /// The id of a person.
    Person,
    /// A derived feature of a person: coordinate, heterozygosity, relatedness.
    Feature,
    /// Personal information: name, address, number.
    Personal,
    /// A running number of the rows.
    Index,
    /// Unexplained.
    Unknown,
}

/// The word of a header.
pub fn word(header: &str) -> Word {
    let word = spelling(header.as_bytes());
    let is = |words: &[&str]| words.contains(&word.as_str());
    let holds = |parts: &[&str]| parts.iter().any(|p| word.contains(p));
    let starts = |parts: &[&str]| parts.iter().any(|p| word.starts_with(p));
    let ends = |parts: &[&str]| parts.iter().any(|p| word.ends_with(p));
    if header.trim() == "%" || header.trim() == "％" {
        Word::Percent
    } else if word.ends_with('数') {
        Word::Count
    } else if is(&["", "index", "row", "rownames", "unnamed_0", "no", "行", "番号", "連番", "通番"]) {
        Word::Index
    } else if holds(&[
        "氏名",
        "患者名",
        "住所",
        "電話",
        "メール",
        "生年月日",
        "郵便番号",
        "被保険者",
        "保険者番号",
        "マイナンバー",
        "個人番号",
        "免許",
        "旅券",
        "患者id",
        "患者番号",
        "カルテ",
        "診察券",
        "フリガナ",
        "email",
        "e_mail",
        "phone",
        "telephone",
        "date_of_birth",
        "birth_date",
        "birthdate",
        "home_address",
        "postcode",
        "zip_code",
        "zipcode",
        "surname",
        "passport",
        "first_name",
        "last_name",
        "full_name",
        "patient_name",
        "chart_no",
        "chart_number",
    ]) || is(&["dob", "mrn", "ssn", "address", "my_number", "mynumber", "fullname"])
    {
        Word::Personal
    } else if crate::roles::person_word(header)
        || is(&[
            "被験者id",
            "検体id",
            "id_no",
            "case_id",
            "record_id",
            "study_id",
            "iid1",
            "iid2",
            "fid1",
            "fid2",
            "id1",
            "id2",
            "sid",
        ])
    {
        Word::Person
    } else if is_feature(&word) {
        Word::Feature
    } else if holds(&["最小", "最大"])
        || is(&["min", "max", "minimum", "maximum", "range", "p1", "p5", "p95", "p99", "q0", "q1", "q99"])
        || starts(&["min_", "max_"])
        || ends(&["_min", "_max"])
    {
        Word::Extreme
    } else if header.contains('%') && !header.contains("(%)") && !header.contains("(％)")
        || is(&["percent", "pct", "proportion", "prop", "share", "perc", "fraction"])
        || starts(&["pct_", "percent_", "prop_", "share_"])
        || ends(&["_pct", "_percent", "_prop", "_percentage"])
        || holds(&["割合", "比率", "構成比", "パーセント"])
    {
        Word::Percent
    } else if is_count(&word)
        || holds(&[
            "人数",
            "例数",
            "症例",
            "件数",
            "度数",
            "患者数",
            "対象者",
            "合計",
            "総数",
            "死亡数",
            "イベント数",
            "リスク集合",
        ])
        || is(&["計", "全体", "男性", "女性", "死亡", "生存", "発症", "再発", "打ち切り", "参加者"])
    {
        Word::Count
    } else if is_statistic(&word)
        || holds(&["平均", "標準偏差", "中央値", "オッズ比", "ハザード比", "信頼", "係数", "標準誤差"])
        || is(&["p値", "p_値"])
    {
        Word::Statistic
    } else if is(&[
        "age",
        "sex",
        "gender",
        "bmi",
        "height",
        "weight",
        "race",
        "ethnicity",
        "income",
        "occupation",
        "education",
        "smoking",
        "diagnosis",
        "dx",
        "sbp",
        "dbp",
        "hba1c",
        "household_id",
    ]) || holds(&["年齢", "性別", "身長", "体重", "血圧", "病名", "診断", "職業"])
        || ends(&["_date"])
        || starts(&["date_"])
    {
        Word::Attribute
    } else if is(&[
        "year", "month", "week", "day", "stage", "grade", "level", "class", "category", "group", "quintile",
        "quartile", "decile", "tertile", "code", "visit", "chr", "arm", "cluster", "wave", "type", "strata",
        "stratum",
    ]) || holds(&["年度", "月", "区分", "階級", "ステージ", "グレード", "群"])
        || is(&["年"])
        || ends(&[
            "_group",
            "_cat",
            "_category",
            "_level",
            "_class",
            "_year",
            "_stage",
            "_quintile",
            "group",
            "cat",
        ])
    {
        Word::Category
    } else {
        Word::Unknown
    }
}

fn is_count(word: &str) -> bool {
    const NAMES: &[&str] = &[
        "n",
        "freq",
        "frequency",
        "count",
        "counts",
        "cnt",
        "cases",
        "controls",
        "events",
        "event",
        "n_event",
        "n_risk",
        "at_risk",
        "number_at_risk",
        "no_at_risk",
        "n_censor",
        "n_censored",
        "censored",
        "deaths",
        "subjects",
        "patients",
        "participants",
        "persons",
        "people",
        "samples",
        "individuals",
        "total",
        "totals",
        "all",
        "overall",
        "n_total",
        "obs",
        "nobs",
        "observations",
        "number",
        "num",
        "sum",
        "n_subjects",
        "n_patients",
        "size",
        "population",
        "denominator",
        "numerator",
        "failures",
        "failed",
        "males",
        "females",
        "men",
        "women",
        "weighted_n",
    ];
    NAMES.contains(&word)
        || is_level(word)
        || ["n_", "num_", "number_of_", "no_of_", "count_", "total_"].iter().any(|p| word.starts_with(p))
        || ["_n", "_count", "_counts", "_cnt", "_freq", "_total", "_events", "_cases", "_num"]
            .iter()
            .any(|s| word.ends_with(s))
}

fn is_statistic(word: &str) -> bool {
    const NAMES: &[&str] = &[
        "mean",
        "sd",
        "se",
        "sem",
        "std",
        "stddev",
        "std_dev",
        "std_err",
        "std_error",
        "variance",
        "var",
        "median",
        "iqr",
        "or",
        "hr",
        "rr",
        "irr",
        "beta",
        "b",
        "coef",
        "coefficient",
        "estimate",
        "est",
        "effect",
        "p",
        "p_value",
        "pvalue",
        "pval",
        "pr",
        "stat",
        "statistic",
        "z",
        "t",
        "f",
        "chi2",
        "chisq",
        "chi_sq",
        "df",
        "ci",
        "ci_low",
        "ci_high",
        "ci_lower",
        "ci_upper",
        "lower",
        "upper",
        "lower_ci",
        "upper_ci",
        "conf_low",
        "conf_high",
        "l95",
        "u95",
        "lcl",
        "ucl",
        "auc",
        "r2",
        "adj_r2",
        "aic",
        "bic",
        "loglik",
        "odds_ratio",
        "hazard_ratio",
        "risk_ratio",
        "relative_risk",
        "rate",
        "ratio",
        "surv",
        "survival",
        "time",
        "t_stat",
        "z_stat",
        "t_value",
        "z_value",
        "average",
        "avg",
        "smd",
        "q",
        "fdr",
        "padj",
        "log2foldchange",
        "logfc",
        "score",
    ];
    NAMES.contains(&word)
        || ["mean_", "sd_", "median_", "beta_", "se_", "p_", "ci_", "std_", "avg_"]
            .iter()
            .any(|p| word.starts_with(p))
        || [
            "_mean", "_sd", "_median", "_se", "_p", "_ci", "_rate", "_ratio", "_std", "_lower", "_upper",
            "_95", "_pvalue",
        ]
        .iter()
        .any(|s| word.ends_with(s))
}

fn is_feature(word: &str) -> bool {
    const NAMES: &[&str] = &[
        "o_hom",
        "e_hom",
        "n_nm",
        "f",
        "n_miss",
        "n_geno",
        "f_miss",
        "miss_pheno",
        "pi_hat",
        "kinship",
        "hethet",
        "ibs0",
        "phi",
        "nsnp",
        "rt",
        "ez",
        "dst",
        "ppc",
        "ratio_ibs",
        "z0",
        "z1",
        "z2",
        "phe",
        "cnt",
        "cnt2",
        "score_avg",
        "allele_ct",
        "named_allele_dosage_sum",
        "o_hom_ct",
        "e_hom_ct",
        "obs_ct",
        "missing_ct",
        "score1_avg",
        "propibd",
    ];
    let numbered = |stem: &str| {
        word.strip_prefix(stem).is_some_and(|r| !r.is_empty() && r.bytes().all(|b| b.is_ascii_digit()))
    };
    NAMES.contains(&word)
        || ["pc", "ev", "dim", "comp", "umap", "tsne", "mds", "c"].iter().any(|s| numbered(s))
        || ["pc_", "umap_", "tsne_", "score_", "prs_"].iter().any(|s| word.starts_with(s))
        || word.ends_with("_sum")
        || word.ends_with("_prs")
        || word == "prs"
}

/// A level whose column in a table holds people, and in a list of people a yes or no.
pub fn is_level(header: &str) -> bool {
    matches!(
        spelling(header.as_bytes()).as_str(),
        "male" | "female" | "男" | "女" | "case" | "control" | "exposed" | "unexposed" | "alive" | "dead"
    )
}

/// Does a label say that its row or column is a total?
pub fn is_total(label: &str) -> bool {
    matches!(
        spelling(label.as_bytes()).as_str(),
        "total"
            | "totals"
            | "sum"
            | "all"
            | "overall"
            | "subtotal"
            | "grand_total"
            | "合計"
            | "計"
            | "総計"
            | "小計"
            | "全体"
            | "総数"
            | "cons"
            | "_cons"
            | "row_total"
            | "column_total"
            | "all_patients"
            | "all_subjects"
    ) || label == "_cons"
}

/// `Cases (N=45)`, `N = 1,234`: the number of people a header states.
pub fn stated(header: &str) -> Option<u64> {
    let at = header.find(['N', 'n'])?;
    let mut rest = &header[at..];
    loop {
        let after = rest[1..].trim_start();
        if let Some(value) = after.strip_prefix('=').or_else(|| after.strip_prefix('＝')) {
            let digits: String =
                value.trim_start().chars().take_while(|c| c.is_ascii_digit() || *c == ',').collect();
            return crate::readers::printed::count(digits.trim_end_matches(',').as_bytes());
        }
        let next = rest[1..].find(['N', 'n'])?;
        rest = &rest[1 + next..];
    }
}

#[cfg(test)]
#[path = "words_test.rs"]
mod tests;
