//! Words about the plan: its days, members, datasets and bounds, and what it released before.

use super::{Words, grouped};

/// The files of an earlier release were not kept in a form that can be compared.
pub fn not_kept() -> Words {
    Words::new(
        "earlier releases of the plan are not on record as a whole: what this file adds to them cannot be computed",
        "an officer must compare it with the earlier releases by hand",
        "この計画の以前の持ち出しの記録が完全ではなく、合わせて何が分かるかを計算できません",
        "審査担当者が以前の持ち出しと見比べてください",
    )
}

/// The same bytes left before.
pub fn duplicate() -> Words {
    Words::new(
        "these very bytes were released before",
        "the recipient has them already: leave the file out unless it is needed again",
        "同じ内容のファイルが既に持ち出されています",
        "受領者は既に持っています。再度必要でなければ除いてください",
    )
}

/// The policy knows no such plan.
pub fn no_plan() -> Words {
    Words::new(
        "the policy knows no such project",
        "ask the administrator to enter the approved plan",
        "ポリシーにこのプロジェクトはありません",
        "承認された計画の登録を管理者に依頼してください",
    )
}

/// Not a member of the plan.
pub fn not_a_member() -> Words {
    Words::new(
        "the requester is not a member of the project",
        "a member of the plan must submit it, or the plan must be changed",
        "申請者はこのプロジェクトのメンバーではありません",
        "計画のメンバーが申請するか、計画を変更してください",
    )
}

/// Outside the plan's days.
pub fn not_running() -> Words {
    Words::new(
        "the plan did not run on the day of the request",
        "have the plan extended before asking again",
        "申請日が計画の期間外です",
        "計画の期間を延長してから申請してください",
    )
}

/// A dataset the plan does not cover.
pub fn dataset() -> Words {
    Words::new(
        "a dataset that the approved plan does not cover",
        "correct the id, or have the dataset added to the plan",
        "承認された計画に含まれないデータセットです",
        "ID を訂正するか、計画にデータセットを追加してください",
    )
}

/// A kind of file the plan does not allow.
pub fn kind() -> Words {
    Words::new(
        "a kind of file that the plan does not name among its results",
        "give the result as one of the kinds of the plan, or have the plan changed",
        "計画で認められた種類のファイルではありません",
        "計画にある種類で提出するか、計画を変更してください",
    )
}

/// A file larger than the plan allows.
pub fn file_size(most: u64) -> Words {
    Words::new(
        format!("larger than the {} bytes the plan allows for one file", grouped(most)),
        "keep the columns and rows that are needed, or have the plan changed",
        format!("計画が一つのファイルに認める {} バイトを超えています", grouped(most)),
        "必要な行と列だけにするか、計画を変更してください",
    )
}

/// More bytes than the plan allows in all.
pub fn quota_bytes(most: u64) -> Words {
    Words::new(
        format!(
            "with this request the plan would have released more than its {} bytes in all",
            grouped(most)
        ),
        "release less, or have the plan changed",
        format!("この申請を含めると、計画全体で認められた {} バイトを超えます", grouped(most)),
        "量を減らすか、計画を変更してください",
    )
}

/// More files than the plan allows in all.
pub fn quota_files(most: u64) -> Words {
    Words::new(
        format!(
            "with this request the plan would have released more than its {} files in all",
            grouped(most)
        ),
        "release less, or have the plan changed",
        format!("この申請を含めると、計画全体で認められた {} ファイルを超えます", grouped(most)),
        "量を減らすか、計画を変更してください",
    )
}
