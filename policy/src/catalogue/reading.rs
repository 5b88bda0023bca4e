//! What could not be read, and how much was.

use super::{Words, grouped};
use crate::facts::{Coverage, OpaqueKind, ProblemKind};

/// How much was read, in English and Japanese.
pub fn coverage(c: &Coverage) -> (String, String) {
    let unit_ja = match c.unit.as_str() {
        "lines" => "行",
        "sites" => "部位",
        _ => "件",
    };
    let unit = if c.rows == 1 { c.unit.strip_suffix('s').unwrap_or(&c.unit) } else { &c.unit };
    if c.stopped_at_proof {
        return (
            format!(
                "stopped at proof after {} of {} bytes, {} {}",
                grouped(c.read),
                grouped(c.of),
                grouped(c.rows),
                unit
            ),
            format!(
                "禁止が確定したため {} / {} バイト、{} {unit_ja}で読み取りを終了",
                grouped(c.read),
                grouped(c.of),
                grouped(c.rows)
            ),
        );
    }
    let (rows_en, rows_ja) = if c.rows > 0 {
        (format!(", {} {unit}", grouped(c.rows)), format!("、{} {unit_ja}", grouped(c.rows)))
    } else {
        (String::new(), String::new())
    };
    if c.whole() {
        (
            format!("whole file: {} bytes{rows_en}", grouped(c.of)),
            format!("ファイル全体: {} バイト{rows_ja}", grouped(c.of)),
        )
    } else {
        (
            format!("{} of {} bytes{rows_en}", grouped(c.read), grouped(c.of)),
            format!("{} / {} バイト{rows_ja}", grouped(c.read), grouped(c.of)),
        )
    }
}

/// A problem.
pub fn problem(kind: ProblemKind) -> Words {
    match kind {
        ProblemKind::NotInspected => Words::new(
            "the file could not be inspected",
            "try again; if it stays so, ask the administrator and name the file",
            "ファイルを検査できませんでした",
            "もう一度試し、同じ結果なら管理者に連絡してください",
        ),
        ProblemKind::BrokenCompression => Words::new(
            "compressed data is damaged or ends early",
            "compress the file again, or give it uncompressed",
            "圧縮データが壊れているか途中で終わっています",
            "圧縮し直すか、圧縮せずに提出してください",
        ),
        ProblemKind::Bomb => Words::new(
            "the unpacked content is over the limit of size, ratio or nesting",
            "give the content uncompressed, or in smaller files",
            "展開後のサイズ、圧縮率または入れ子が上限を超えています",
            "圧縮せずに、または小さく分けて提出してください",
        ),
        ProblemKind::LineTooLong => Words::new(
            "a line is too long to be read",
            "write one record per line",
            "一行が長すぎて読めません",
            "一件を一行にしてください",
        ),
        ProblemKind::TooWide => Words::new(
            "a table with more columns than any table of results has",
            "give the results one row each, with a column for each quantity",
            "列が多すぎて、結果の表として検査できません",
            "結果を一行一件とし、量ごとに列を分けてください",
        ),
        ProblemKind::OverLimit => Words::new(
            "the content is larger than a reader can account for",
            "give the table in smaller parts",
            "内容が検査できる大きさを超えています",
            "表を小さく分けて提出してください",
        ),
        ProblemKind::NotText => Words::new(
            "bytes that are neither text nor a known format",
            "give the result as text, CSV or TSV",
            "テキストでも既知の形式でもないデータです",
            "結果をテキスト、CSV または TSV で提出してください",
        ),
        ProblemKind::Encoding => Words::new(
            "text in an encoding that is not understood",
            "save the file as UTF-8",
            "文字コードを判別できません",
            "UTF-8 で保存し直してください",
        ),
        ProblemKind::Malformed => Words::new(
            "content contradicts its own header or shape",
            "correct the file at this place, or write it again with the tool that made it",
            "内容がヘッダーや表の形と矛盾しています",
            "該当箇所を直すか、元のツールで出力し直してください",
        ),
        ProblemKind::Unrecognised => Words::new(
            "nothing recognised what this file is",
            "give the result in a known form (CSV or TSV with a header), or describe it for the officer",
            "ファイルの種類を判別できません",
            "見出し付きの CSV や TSV にするか、審査担当者向けに説明を付けてください",
        ),
        ProblemKind::TrailingBytes => Words::new(
            "bytes follow the end of what was understood",
            "write the file again without them",
            "内容の終わりの後に余分なデータがあります",
            "余分なデータを除いて出力し直してください",
        ),
        ProblemKind::Empty => Words::new(
            "the file is empty",
            "leave it out of the request",
            "ファイルが空です",
            "申請から除いてください",
        ),
    }
}

/// Content that is recognised and not read.
pub fn opaque(kind: OpaqueKind) -> Words {
    match kind {
        OpaqueKind::GenotypeMatrix => Words::new(
            "per-person genotypes in a binary format: independence of the sites cannot be shown",
            "release allele frequencies or association results instead",
            "個人別の遺伝型を含むバイナリ形式で、部位の独立性を否定できません",
            "代わりにアレル頻度や関連解析の結果を提出してください",
        ),
        OpaqueKind::HumanReads => Words::new(
            "sequencing reads of human subjects",
            "reads cannot leave; release results computed from them",
            "ヒトのシークエンスリードです",
            "リードは持ち出せません。そこから計算した結果を提出してください",
        ),
        OpaqueKind::Reads => Words::new(
            "sequencing reads of a species that was not recognised",
            "tell the officer the species and where the reads come from",
            "生物種を判別できないシークエンスリードです",
            "生物種と由来を審査担当者に説明してください",
        ),
        OpaqueKind::Workspace => Words::new(
            "a saved workspace or data frame that may hold one row a person",
            "write the tables you need as CSV or TSV",
            "個人別の行を含みうるワークスペースやデータフレームです",
            "必要な表を CSV または TSV で書き出してください",
        ),
        OpaqueKind::Model => Words::new(
            "a saved object that may hold training rows",
            "write coefficients as CSV or TSV, or have the officer judge the object",
            "学習データの行を含みうる保存オブジェクトです",
            "係数を CSV や TSV に書き出すか、審査担当者の判断を仰いでください",
        ),
        OpaqueKind::Workbook => Words::new(
            "a workbook whose sheets, hidden ones included, were not read",
            "save each sheet as CSV, or have the officer look at all sheets",
            "非表示シートを含め、シートが検査されていないブックです",
            "各シートを CSV で保存するか、全シートを審査担当者に見せてください",
        ),
        OpaqueKind::Archive => Words::new(
            "an archive or compression that is not opened",
            "give its members one by one, plain or gzip-compressed",
            "展開されないアーカイブまたは圧縮形式です",
            "中のファイルを一つずつ、そのまま、または gzip 圧縮で提出してください",
        ),
        OpaqueKind::Picture => Words::new(
            "a picture that was not re-encoded",
            "take the re-encoded copy (PNG and JPEG: sekisho check --fix DIR), or have the officer look at it",
            "再エンコードされていない画像です",
            "再エンコードした写しを作成するか（PNG と JPEG: sekisho check --fix DIR）、審査担当者に確認してもらってください",
        ),
        OpaqueKind::Document => Words::new(
            "a document that may carry attachments, scripts or hidden layers",
            "give the tables as CSV and the text as plain text",
            "添付、スクリプト、隠しレイヤーを含みうる文書です",
            "表は CSV、文章はプレーンテキストで提出してください",
        ),
        OpaqueKind::Executable => Words::new(
            "a program or library",
            "programs cannot be judged; give the source text",
            "プログラムまたはライブラリです",
            "検査できません。ソースを提出してください",
        ),
        OpaqueKind::Other => Words::new(
            "content of a known format that is not read",
            "give the result as text, CSV or TSV",
            "既知ですが検査できない形式です",
            "結果をテキスト、CSV または TSV で提出してください",
        ),
    }
}

/// A file in which nothing was found to judge.
pub fn nothing_understood() -> Words {
    problem(ProblemKind::Unrecognised)
}

/// A list of persons.
pub fn subject_list(rows: u64) -> Words {
    Words::new(
        format!("one row a person: {} persons with their ids", grouped(rows)),
        "leave the list out, or have the officer judge whether the ids identify anybody",
        format!("一人一行の一覧です（{} 人、識別子付き）", grouped(rows)),
        "一覧を除くか、識別子が個人を特定しないか審査担当者の判断を仰いでください",
    )
}

/// A list of persons whose ids are those of JGA.
pub fn jga_list(rows: u64) -> Words {
    Words::new(
        format!(
            "one row a person: {} persons, their JGA sample ids are allowed by themselves",
            grouped(rows)
        ),
        "have the officer judge what stands beside the ids, or leave the list out",
        format!("一人一行の一覧です（{} 人）。JGA Sample ID そのものは持ち出せます", grouped(rows)),
        "ID と並ぶ列について審査担当者の判断を仰ぐか、一覧を除いてください",
    )
}
