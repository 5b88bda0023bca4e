//! `VERIFY.txt`: how a recipient checks the bag with what every system has, in English and Japanese.

use super::Bag;
use crate::{DECISION_NAMESPACE, RELEASE_NAMESPACE};

/// The text.
pub(super) fn text(bag: &Bag, fingerprint: &str) -> String {
    let (principal, officer) = (&bag.principal, &bag.officer.id);
    // At noon: the date then falls inside the certificate's days in whatever time zone the recipient lives.
    let day = bag.decided_on.strftime("%Y%m%d");
    let node = format!(
        "ssh-keygen -Y verify -f allowed_signers -I {principal} -n {RELEASE_NAMESPACE} \
         -s tagmanifest-sha512.txt.sig < tagmanifest-sha512.txt"
    );
    let decision = format!(
        "ssh-keygen -Y verify -f decision/allowed_signers -I {officer} -n {DECISION_NAMESPACE} \
         -O verify-time={day}1200 -s decision/statement.txt.sig < decision/statement.txt"
    );
    format!(
        "HOW TO VERIFY THIS BAG\n\
         \n\
         Run these four commands in this directory. Nothing of ours needs to be installed.\n\
         \n\
         1. The node signed the list of everything that is not data:\n\
         \n    {node}\n\
         \n\
         2. Everything on that list is as it was:\n\
         \n    sha512sum --strict -c tagmanifest-sha512.txt\n\
         \n\
         3. The released files are as they were:\n\
         \n    sha512sum --strict -c manifest-sha512.txt\n\
         \n\
         4. The officer signed the decision:\n\
         \n    {decision}\n\
         \n\
         The file allowed_signers came with the bag. It proves who signed only if its key is the node's: ask the node's\n\
         operator for the fingerprint, over another way than the one this bag came, and compare it with\n\
         \n    {fingerprint}\n\
         \n\
         `sekisho verify .` does all of this, and also checks the ledger's proof in release.tlog-proof.\n\
         \n\
         \n\
         この BAG を検証する方法\n\
         \n\
         このディレクトリで次の四つのコマンドを実行してください。専用のソフトウェアは不要です。\n\
         \n\
         1. データ以外のすべての一覧にノードが署名したこと:\n\
         \n    {node}\n\
         \n\
         2. 一覧にあるものが変わっていないこと:\n\
         \n    sha512sum --strict -c tagmanifest-sha512.txt\n\
         \n\
         3. 持ち出されたファイルが変わっていないこと:\n\
         \n    sha512sum --strict -c manifest-sha512.txt\n\
         \n\
         4. 担当者が決定に署名したこと:\n\
         \n    {decision}\n\
         \n\
         allowed_signers はこの bag に同梱されたものです。その鍵が本当にノードの鍵であるときだけ、署名者の証明になります。\n\
         この bag が届いた経路とは別の経路でノードの運用者に指紋を尋ね、次と一致することを確かめてください。\n\
         \n    {fingerprint}\n\
         \n\
         `sekisho verify .` は以上のすべてに加えて、release.tlog-proof にある台帳の証明も確かめます。\n"
    )
}
