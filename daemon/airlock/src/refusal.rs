//! Every "no" the airlock says, in both languages, with its way out. A closed list: it is also a metric label.

use sekisho_wire::airlock::Answer;
use sekisho_wire::heartbeat::Fault;

/// Why the answer is no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Unknown, or not the asker's to see: the same answer, so that ids reveal nothing.
    NoSuchRequest(String),
    /// The asker is no officer of this node.
    NotAnOfficer,
    /// Certificate not yet or no longer in force.
    Certificate(String),
    /// The officer's institution does not decide for this project.
    OtherInstitution(String),
    /// Nobody decides about their own request.
    OwnRequest,
    /// Only the requester takes a request back.
    NotYours,
    /// The state does not allow it.
    State(String, String),
    /// The verdict is `block`.
    Blocked,
    /// A release of the plan came between that changes the report.
    Outdated,
    /// A rejection without a reason.
    NoReason,
    /// Neither approve nor reject.
    NotADecision(String),
    /// The statement is not the one this request needs.
    Statement(String),
    /// The notary refused; its own words.
    Notary(String, String, String),
    /// Not a message of this protocol.
    Message(String),
}

/// The airlock cannot answer now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailable {
    /// The notary is away or failed.
    Notary(String),
    /// The decision is stored and will be delivered.
    NotaryLater(String),
    /// The decision is in the ledger, and the release waits for the gate.
    Gate(Fault),
    /// The database failed.
    Database(String),
}

struct Words {
    reason: &'static str,
    message: String,
    hint: String,
    message_ja: String,
    hint_ja: String,
}

fn words(
    reason: &'static str,
    message: impl Into<String>,
    hint: impl Into<String>,
    message_ja: impl Into<String>,
    hint_ja: impl Into<String>,
) -> Words {
    Words {
        reason,
        message: message.into(),
        hint: hint.into(),
        message_ja: message_ja.into(),
        hint_ja: hint_ja.into(),
    }
}

impl Refusal {
    /// The machine-readable reason; one of a closed list.
    pub fn reason(&self) -> &'static str {
        self.words().reason
    }

    /// In English, for the ledger and the log.
    pub fn english(&self) -> String {
        self.words().message
    }

    fn words(&self) -> Words {
        match self {
            Self::NoSuchRequest(id) => words(
                "no_such_request",
                format!("there is no request {id} that you may see"),
                "sekisho status lists yours; sekisho review lists those waiting for you as an officer",
                format!("閲覧できる申請 {id} はありません"),
                "自分の申請は sekisho status、担当者として判断待ちの申請は sekisho review で一覧できます",
            ),
            Self::NotAnOfficer => words(
                "not_an_officer",
                "only a certified officer may do this, and your account is none on this node",
                "officers are named in the policy ([[officer]] user = ...); ask the administrator",
                "この操作は認定を受けた担当者だけが行えますが、このアカウントは登録されていません",
                "担当者はポリシーの [[officer]] に登録します。管理者に連絡してください",
            ),
            Self::Certificate(why) => words(
                "certificate",
                format!("your certificate as an officer is not in force: {why}"),
                "another officer of the institution may decide; renew the certificate in the policy",
                format!("担当者の認定が有効ではありません: {why}"),
                "同じ機関の別の担当者が判断するか、ポリシーで認定を更新してください",
            ),
            Self::OtherInstitution(id) => words(
                "other_institution",
                format!("project {id} belongs to another institution"),
                "an officer of that institution decides",
                format!("プロジェクト {id} は別の機関に属します"),
                "その機関の担当者が判断します",
            ),
            Self::OwnRequest => words(
                "own_request",
                "nobody decides about their own request (5-5)",
                "another officer of the institution decides",
                "自分の申請を自分で判断することはできません (5-5)",
                "同じ機関の別の担当者が判断します",
            ),
            Self::NotYours => words(
                "not_yours",
                "only the requester can take a request back",
                "an officer can reject it: sekisho reject",
                "申請を取り下げられるのは申請者本人だけです",
                "担当者は sekisho reject で却下できます",
            ),
            Self::State(state, act) => words(
                "state",
                format!("a request that is {state} cannot be {act}"),
                "sekisho status shows where it is",
                format!("状態が {state} の申請にこの操作はできません"),
                "sekisho status で状態を確認してください",
            ),
            Self::Blocked => words(
                "blocked",
                "the verdict is block: an officer cannot approve this",
                "reject it with a reason; the requester can filter the file (sekisho check --fix) and submit again",
                "判定が block のため、担当者は承認できません",
                "理由を付けて却下してください。申請者はファイルを修正 (sekisho check --fix) して再申請できます",
            ),
            Self::Outdated => words(
                "outdated",
                "something of the same plan was released since this request was judged: it is being judged again beside that",
                "read the new report (sekisho review ID), then decide",
                "この申請の判定後に同じ計画の持ち出しがありました。それと合わせて再判定しています",
                "新しい報告を sekisho review ID で読んでから判断してください",
            ),
            Self::NoReason => words(
                "no_reason",
                "a rejection needs a reason for the requester",
                "sekisho reject ID --reason \"...\"",
                "却下には申請者への理由が必要です",
                "sekisho reject ID --reason \"...\"",
            ),
            Self::NotADecision(word) => words(
                "not_a_decision",
                format!("`{}` is not a decision", word.escape_debug()),
                "approve or reject",
                format!("`{}` は判断として認められません", word.escape_debug()),
                "approve または reject を指定してください",
            ),
            Self::Statement(why) => words(
                "statement",
                format!("the signed statement is not one for this request: {why}"),
                "look at the request again and sign anew: sekisho approve",
                format!("署名された文面がこの申請のものと一致しません: {why}"),
                "申請を見直し、sekisho approve で署名し直してください",
            ),
            Self::Notary(reason, message, hint) => words(
                "notary",
                format!("the notary refused ({reason}): {message}"),
                hint.clone(),
                format!("公証プロセスが拒否しました ({reason}): {message}"),
                hint.clone(),
            ),
            Self::Message(why) => words(
                "message",
                format!("not a message of this protocol: {why}"),
                "sekisho and sekisho-airlock must be of the same version",
                format!("プロトコルに合わないメッセージです: {why}"),
                "sekisho と sekisho-airlock の版をそろえてください",
            ),
        }
    }

    /// As a message to the asker.
    pub fn answer(&self) -> Answer {
        let w = self.words();
        Answer::Refused {
            reason: w.reason.into(),
            message: w.message,
            hint: w.hint,
            message_ja: w.message_ja,
            hint_ja: w.hint_ja,
        }
    }
}

/// What is wrong with the gate.
fn fault_ja(fault: &Fault) -> String {
    match fault {
        Fault::Absent => "関所が動いていません (生存信号がありません)".into(),
        Fault::Doubtful { why } => format!("関所の生存信号を信用できません: {why}"),
        Fault::OtherBoot => "関所の生存信号が今回の起動のものではありません".into(),
        Fault::Stale { seconds } => format!("関所の監視プロセスが {seconds} 秒間応答していません"),
        Fault::Unsound { problem } => format!("関所に異常があります: {problem}"),
        Fault::Locked => "申請者の持ち出しは停止されています".into(),
        Fault::Audit => "関所が記録のみの設定 (監査モード) です".into(),
    }
}

impl Unavailable {
    /// What stands beside the request meanwhile: notes are kept in one text, so in both languages.
    pub fn note(&self) -> String {
        match self {
            Self::Gate(fault) => {
                format!("approved; the release waits: {fault} / 承認済み、持ち出し待ち: {}", fault_ja(fault))
            }
            Self::Notary(why) | Self::NotaryLater(why) | Self::Database(why) => why.clone(),
        }
    }

    /// As a message to the asker.
    pub fn answer(&self) -> Answer {
        let (message, hint, message_ja, hint_ja) = match self {
            Self::Notary(why) => (
                format!("the notary cannot be asked now: {why}"),
                "nothing was lost or changed; try again, or ask the administrator to look at sekisho-notary.service",
                format!("公証プロセスに今は問い合わせできません: {why}"),
                "何も失われていません。時間をおいて再実行するか、sekisho-notary.service の確認を管理者に依頼してください",
            ),
            Self::NotaryLater(why) => (
                format!("your signed decision is stored, but the notary cannot take it now: {why}"),
                "it will be delivered as soon as the notary is back; do not sign again; sekisho status shows it",
                format!("署名済みの判断は保存されましたが、公証プロセスが今は受け取れません: {why}"),
                "復旧後に自動で届けられます。再署名は不要です。sekisho status で確認できます",
            ),
            Self::Gate(fault) => (
                format!("your decision stands, and nothing leaves yet: {fault}"),
                "the release follows by itself as soon as the gate is sound again; do not sign again; the administrator sees: sekisho doctor",
                format!("判断は記録されましたが、まだ持ち出されていません: {}", fault_ja(fault)),
                "関所が正常に戻ると自動で持ち出されます。再署名は不要です。管理者は sekisho doctor で確認できます",
            ),
            Self::Database(why) => (
                format!("the airlock's database failed: {why}"),
                "nothing was lost; ask the administrator to look at sekisho-airlock.service (disk full?)",
                format!("データベースに障害があります: {why}"),
                "何も失われていません。sekisho-airlock.service (ディスク残量など) の確認を管理者に依頼してください",
            ),
        };
        Answer::Unavailable { message, hint: hint.into(), message_ja, hint_ja: hint_ja.into() }
    }
}
