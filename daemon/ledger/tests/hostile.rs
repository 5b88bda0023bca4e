//! Every parser a stranger's bytes can reach: no panic, and nothing accepted that was not written by us.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use sekisho_ledger::bag::{self, Trust};
use sekisho_ledger::note::{Checkpoint, Proof};
use sekisho_ledger::sshsig::{self, SigningKey};
use std::fs;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDEU2O62o1JPW8xOfbN3vD1aUNvMdzCdcIyRbwNIFEhf";

/// Text that looks as if it belonged: lines of digests, names, separators, base64.
fn plausible() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n".to_owned()),
        Just("\n\n".to_owned()),
        Just("  ".to_owned()),
        Just("— ".to_owned()),
        Just("data/results/".to_owned()),
        Just("../".to_owned()),
        Just("c2sp.org/tlog-proof@v1\nindex ".to_owned()),
        Just("-----BEGIN SSH SIGNATURE-----\n".to_owned()),
        Just("\n-----END SSH SIGNATURE-----\n".to_owned()),
        Just(format!("{KEY}\n")),
        "[0-9a-f]{128}",
        "[A-Za-z0-9+/]{0,70}={0,2}",
        "[0-9]{1,20}",
        "\\PC{0,8}",
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn signatures_notes_and_proofs(text in plausible()) {
        prop_assert!(sshsig::verify(KEY, "n", b"m", &text).is_err());
        prop_assert!(SigningKey::from_openssh(&text).is_err());
        let _ = sshsig::fingerprint(&text);
        prop_assert!(Checkpoint::verify(&text, "log", &[0; 32]).is_err());
        if let Ok(proof) = Proof::parse(&text) {
            prop_assert_eq!(proof.compose(), text);
            prop_assert!(proof.verify(b"entry", "log", &[0; 32]).is_err());
        }
    }

    /// Past the node's signature, too: the node itself may be the liar.
    #[test]
    fn bags_signed_by_a_liar(manifest in plausible(), tags in plausible(), statement in plausible(), known in any::<bool>()) {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let (key, _) = SigningKey::generate("liar").unwrap();
        let names = ["bagit.txt", "manifest-sha512.txt", "allowed_signers", "decision/statement.txt",
            "decision/statement.txt.sig", "decision/allowed_signers", "findings.json", "release.json", "release.tlog-proof"];
        let mut listed = tags.clone();
        if known {
            listed = names.iter().map(|n| format!("{}  {n}\n", "0".repeat(128))).collect();
        }
        for name in names {
            put(name, &statement);
        }
        put("manifest-sha512.txt", &manifest);
        put("allowed_signers", &key.public_openssh().unwrap());
        put("tagmanifest-sha512.txt", &listed);
        put("tagmanifest-sha512.txt.sig", &key.sign(sekisho_ledger::RELEASE_NAMESPACE, listed.as_bytes()).unwrap());
        prop_assert!(bag::verify(dir.path(), &Trust::InBag).is_err());
    }
}
