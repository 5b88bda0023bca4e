//! A denial in the words of the person it happened to: what was tried, on what, and why not.

use crate::language::Language;

/// What a hook's program was doing when it was stopped.
pub fn act(hook: &str, language: Language) -> &'static str {
    let (english, japanese) = match hook {
        "file_open" => ("opening a file", "ファイルを開く"),
        "file_permission" => ("reading or writing an open file", "開いたファイルの読み書き"),
        "mmap_file" | "file_mprotect" | "mmap_backing_file" => {
            ("mapping a file into memory", "ファイルのメモリへの割り当て")
        }
        "inode_create" => ("creating a file", "ファイルの作成"),
        "inode_mkdir" => ("creating a directory", "ディレクトリの作成"),
        "inode_symlink" | "inode_link" => ("creating a link", "リンクの作成"),
        "inode_mknod" => ("creating a pipe, socket or device", "パイプ・ソケット・デバイスの作成"),
        "inode_rename" => ("renaming or moving", "名前の変更・移動"),
        "inode_unlink" | "inode_rmdir" => ("removing", "削除"),
        "inode_setattr" | "inode_file_setattr" => {
            ("changing size, mode, owner or times", "サイズ・権限・所有者・時刻の変更")
        }
        "inode_setxattr" | "inode_removexattr" | "inode_set_acl" | "inode_remove_acl" => {
            ("changing attributes or access lists", "拡張属性・ACL の変更")
        }
        "path_truncate" | "file_truncate" => ("cutting a file", "ファイルの切り詰め"),
        "file_ioctl" | "file_ioctl_compat" => ("controlling a device", "装置の制御"),
        "file_receive" => ("taking a file from another process", "他のプロセスからのファイルの受け取り"),
        "socket_create" | "socket_post_create" | "cgroup/sock_create" => {
            ("making a socket", "ソケットの作成")
        }
        "socket_connect" | "cgroup/connect4" | "cgroup/connect6" | "inet_conn_established" => {
            ("connecting over the network", "ネットワークへの接続")
        }
        "socket_sendmsg" | "cgroup/sendmsg4" | "cgroup/sendmsg6" | "cgroup/egress" => {
            ("sending over the network", "ネットワークへの送信")
        }
        "socket_bind" | "socket_listen" | "socket_accept" | "cgroup/bind4" | "cgroup/bind6"
        | "inet_conn_request" => ("listening on the network", "ネットワークでの待ち受け"),
        "unix_stream_connect" | "unix_may_send" => {
            ("speaking to a service on this node", "ノード内のサービスへの接続")
        }
        "ptrace_access_check" => ("looking into another process", "他のプロセスの内部の参照"),
        "task_kill" | "file_send_sigiotask" => ("signalling another process", "他のプロセスへのシグナル"),
        "task_setrlimit" | "task_setscheduler" | "task_setnice" | "task_setioprio" => {
            ("changing another process", "他のプロセスの設定変更")
        }
        "sb_mount" | "sb_kern_mount" | "sb_remount" | "sb_umount" | "move_mount" | "sb_pivotroot" => {
            ("changing mounts", "マウントの変更")
        }
        "capable" | "userns_create" => ("using a privilege", "特権の使用"),
        "bpf" | "bpf_map" | "bpf_prog" => ("using bpf", "bpf の使用"),
        "cgroup/device" => ("using a device", "装置の使用"),
        "cgroup/sysctl" => ("changing a kernel setting", "カーネル設定の変更"),
        "msg_queue_msgsnd" | "msg_queue_msgctl" | "shm_shmat" | "shm_shmctl" | "sem_semop" | "sem_semctl" => {
            ("sharing memory or messages (System V)", "System V 共有メモリ・メッセージの使用")
        }
        "key_permission" | "key_alloc" => ("using a kernel key", "カーネル鍵の使用"),
        _ => ("using the kernel", "カーネル機能の使用"),
    };
    language.pick(english, japanese)
}

/// What was acted on. The gate describes it in English; names in it stay as they are.
pub fn object(said: &str, language: Language) -> String {
    const PHRASES: [(&str, &str); 9] = [
        ("an unnamed or abstract unix socket", "名前のない (または抽象) unix ソケット"),
        ("unix socket ", "unix ソケット "),
        ("socket family ", "ソケットの種類 "),
        ("device node ", "デバイスノード "),
        ("process ", "プロセス "),
        ("capability ", "特権 "),
        ("bpf command ", "bpf コマンド "),
        ("setting ", "設定 "),
        ("uid ", "uid "),
    ];
    if language == Language::English {
        return said.to_owned();
    }
    if let Some(name) = said.strip_suffix(" (a new name)") {
        return format!("{name} (新しい名前)");
    }
    if let Some(number) = said.strip_suffix(" bytes") {
        return format!("{number} バイト");
    }
    let phrase = PHRASES.iter().find_map(|(en, ja)| Some(format!("{ja}{}", said.strip_prefix(en)?)));
    phrase.unwrap_or_else(|| said.to_owned())
}

/// A reason in a sentence.
pub fn reason(name: &str, language: Language) -> &'static str {
    let (english, japanese) = match name {
        "outside_zones" => (
            "this lies outside the places where data may be written on this node",
            "このノードで書き込みが許された場所の外です",
        ),
        "device" => (
            "this device could carry data off the node",
            "この装置はデータをノード外へ運び出せるため使えません",
        ),
        "network" => (
            "this network destination is not one the node's policy allows",
            "この通信先はノードのポリシーで許可されていません",
        ),
        "socket_kind" => ("this kind of socket is not available here", "この種類のソケットは使えません"),
        "listen" => (
            "who listens here is reached over loopback only: others could fetch data",
            "待ち受けに接続できるのはループバックからだけです(外部からデータを取り出せるため)",
        ),
        "inherited_socket" => (
            "this connection was opened by a process outside the gate",
            "この接続は関所の外のプロセスが開いたものです",
        ),
        "deputy" => (
            "the other side is not confined and could take data out on your behalf",
            "相手は関所の外にあり、代わりにデータを持ち出せるため接続できません",
        ),
        "mount" => ("the tree of mounts cannot be changed here", "マウントは変更できません"),
        "capability" => (
            "this privilege would lead past the gate; sudo does not lift it",
            "この特権は関所を迂回できるため使えません(sudo でも同じです)",
        ),
        "bpf" => ("bpf is reserved for the gate", "bpf は関所専用です"),
        "other_process" => (
            "that process is not confined; reaching into it would lead past the gate",
            "相手は関所の外のプロセスのため操作できません",
        ),
        "mark_failed" => (
            "the kernel could not note who you are; try again, and tell the administrator",
            "カーネルが識別情報を記録できませんでした。再試行し、管理者に連絡してください",
        ),
        "lockdown" => (
            "everything outward is frozen at the moment; ask the secretariat",
            "現在すべての持ち出しが停止されています。事務局に問い合わせてください",
        ),
        "kernel_interface" => ("this kernel interface is closed here", "このカーネル機能は使えません"),
        "screen" => (
            "more has left on the screen than the node allows in an hour, or than a session without a terminal may send; wait, or take results out through the spool",
            "画面へ出せる量(1時間あたり、または端末のないセッションの上限)を超えました。時間をおくか、結果はスプールから持ち出してください",
        ),
        "borrowed_name" => (
            "a service would take you for somebody else: speak to it as yourself, without sudo or su",
            "相手のサービスが別人と誤認します。sudo や su を使わず、自分のアカウントで接続してください",
        ),
        "unresolved" => (
            "where this lands could not be found out (too deep, or nameless), so it counts as outside; use a shorter path in a workspace",
            "書き込み先を特定できないため (深すぎる、または名前がない) 範囲外とみなします。作業領域内の浅い場所を使ってください",
        ),
        "other_home" => (
            "this file has a second name that may lie outside; work on a copy: cp FILE COPY",
            "このファイルには範囲外かもしれない別名 (ハードリンク) があります。コピーして作業してください: cp FILE COPY",
        ),
        _ => ("the gate denied this", "関所が拒否しました"),
    };
    language.pick(english, japanese)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acted_on_reads_japanese_and_names_stay_as_they_are() {
        for (said, japanese) in [
            ("`x process` (a new name)", "`x process` (新しい名前)"),
            ("unix socket `/run/a`", "unix ソケット `/run/a`"),
            ("`uid 7` (device 8:1, inode 12)", "`uid 7` (device 8:1, inode 12)"),
            ("192.0.2.1:443", "192.0.2.1:443"),
            ("4096 bytes", "4096 バイト"),
        ] {
            assert_eq!(object(said, Language::Japanese), japanese);
            assert_eq!(object(said, Language::English), said);
        }
    }

    #[test]
    fn every_reason_has_its_own_sentence_in_both_languages() {
        let names = [
            "outside_zones",
            "device",
            "network",
            "socket_kind",
            "listen",
            "inherited_socket",
            "deputy",
            "mount",
            "capability",
            "bpf",
            "other_process",
            "mark_failed",
            "lockdown",
            "kernel_interface",
            "screen",
            "borrowed_name",
            "unresolved",
            "other_home",
        ];
        for language in [Language::English, Language::Japanese] {
            let sentences: std::collections::BTreeSet<_> =
                names.iter().map(|n| reason(n, language)).collect();
            assert_eq!(sentences.len(), names.len());
            assert!(!sentences.contains(reason("something new", language)));
        }
    }
}
