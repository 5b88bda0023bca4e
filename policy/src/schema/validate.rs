//! What a well-formed policy must also be: consistent, and not looser than the guideline without saying who allowed it.

use super::document::Place;
use super::{Officer, Policy, PolicyError, SCREEN_CEILING, SCREEN_FLOOR, VERSION, Weight, ZoneKind};
use std::collections::BTreeSet;

type Checked = Result<(), PolicyError>;

/// Accepted form of every id.
const ID_FORM: &str = "1 to 64 of a-z, 0-9, `-`, `_`, beginning with a letter or digit";

impl Policy {
    /// Checks everything that one look at the types cannot.
    pub(super) fn validate(&self, places: &Place) -> Checked {
        if self.version != VERSION {
            return Err(places.at("version").refuse(
                (format!("version {} is not known", self.version), format!("accepted values: {VERSION}")),
                (format!("版 {} は知りません", self.version), format!("使える値: {VERSION}")),
            ));
        }
        self.subjects(places)?;
        self.zones(places)?;
        self.network(places)?;
        self.screen(places)?;
        self.people(places)?;
        self.plans(places)?;
        self.bounds(places)?;
        self.thresholds(places)
    }

    fn subjects(&self, places: &Place) -> Checked {
        let under = places.at("gate.subjects");
        for (n, (low, high)) in self.gate.subjects.uid_ranges.iter().enumerate() {
            if low > high || *low == 0 {
                return Err(under.at(&format!("uid_ranges.{n}")).refuse(
                    (
                        format!("uid range [{low}, {high}] is empty or contains root"),
                        "write [first, last] with 1 <= first <= last".into(),
                    ),
                    (
                        format!("uid の範囲 [{low}, {high}] は空か、root を含みます"),
                        "[最初, 最後] を 1 <= 最初 <= 最後 で書いてください".into(),
                    ),
                ));
            }
        }
        for (n, user) in self.gate.subjects.users.iter().enumerate() {
            account(under.at(&format!("users.{n}")), user)?;
        }
        for (n, user) in self.gate.subjects.exempt_users.iter().enumerate() {
            account(under.at(&format!("exempt_users.{n}")), user)?;
        }
        for (n, path) in self.gate.subjects.cgroups.iter().enumerate() {
            if !plain_path(path.trim_start_matches('/')) {
                return Err(under.at(&format!("cgroups.{n}")).refuse(
                    (
                        format!("`{path}` is not a cgroup path"),
                        "write the path below /sys/fs/cgroup, e.g. `user.slice`".into(),
                    ),
                    (
                        format!("`{path}` は cgroup のパスではありません"),
                        "/sys/fs/cgroup の下のパスを書いてください。例: `user.slice`".into(),
                    ),
                ));
            }
        }
        Ok(())
    }

    fn zones(&self, places: &Place) -> Checked {
        let mut seen = BTreeSet::new();
        for (n, zone) in self.gate.zones.iter().enumerate() {
            let place = places.at(&format!("gate.zone.{n}.path"));
            absolute(place, &zone.path)?;
            if zone.path == "/" {
                return Err(place.refuse(
                    (
                        "a zone of `/` would let everything out".into(),
                        "name the directories that stay inside the node, e.g. `/home/researcher`".into(),
                    ),
                    (
                        "`/` をゾーンにすると、すべてが持ち出せてしまいます".into(),
                        "ノードの中にとどまるディレクトリを書いてください。例: `/home/researcher`".into(),
                    ),
                ));
            }
            unique(place, &mut seen, &zone.path)?;
            if zone.kind == ZoneKind::Spool && zone.remote {
                return Err(places.at(&format!("gate.zone.{n}.remote")).refuse(
                    (
                        format!("the spool `{}` cannot be remote", zone.path),
                        "custody needs a local filesystem: write `remote = false`".into(),
                    ),
                    (
                        format!("スプール `{}` を遠隔ファイルシステムに置くことはできません", zone.path),
                        "ローカルのファイルシステムが必要です: `remote = false`".into(),
                    ),
                ));
            }
        }
        for (n, device) in self.gate.devices.iter().enumerate() {
            let place = places.at(&format!("gate.devices.{n}"));
            absolute(place, device)?;
            if !device.starts_with("/dev/") {
                return Err(wrong(place, device, "a path below /dev"));
            }
        }
        Ok(())
    }

    fn network(&self, places: &Place) -> Checked {
        let under = places.at("gate.network");
        for (n, to) in self.gate.network.allow.iter().enumerate() {
            if !cidr(&to.cidr) {
                let place = under.at(&format!("allow.{n}.cidr"));
                return Err(wrong(place, &to.cidr, "address/length, e.g. `10.0.0.0/8`, `2001:db8::/32`"));
            }
            if to.protocol != "tcp" && to.protocol != "udp" {
                return Err(wrong(under.at(&format!("allow.{n}.protocol")), &to.protocol, "`tcp`, `udp`"));
            }
            if to.port == 0 {
                return Err(wrong(under.at(&format!("allow.{n}.port")), "0", "1 to 65535"));
            }
        }
        if let Some(n) = self.gate.network.loopback_ports.iter().position(|p| *p == 0) {
            return Err(wrong(under.at(&format!("loopback_ports.{n}")), "0", "1 to 65535"));
        }
        for (n, path) in self.gate.network.unix.iter().enumerate() {
            absolute(under.at(&format!("unix.{n}")), path)?;
        }
        Ok(())
    }

    /// A budget too small to log in and read why would lock everybody out, the person who wrote it included.
    fn screen(&self, places: &Place) -> Checked {
        match self.gate.screen.bytes_per_hour {
            Some(bytes) if !(SCREEN_FLOOR..=SCREEN_CEILING).contains(&bytes) => Err(wrong(
                places.at("gate.screen.bytes_per_hour"),
                &bytes.to_string(),
                &format!("{SCREEN_FLOOR} to {SCREEN_CEILING}"),
            )),
            _ => Ok(()),
        }
    }

    fn people(&self, places: &Place) -> Checked {
        let mut seen = BTreeSet::new();
        for (n, institution) in self.institutions.iter().enumerate() {
            let place = places.at(&format!("institution.{n}.id"));
            id(place, &institution.id)?;
            unique(place, &mut seen, &institution.id)?;
        }
        let (mut ids, mut users, mut keys) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (n, officer) in self.officers.iter().enumerate() {
            let under = places.at(&format!("officer.{n}"));
            id(under.at("id"), &officer.id)?;
            unique(under.at("id"), &mut ids, &officer.id)?;
            account(under.at("user"), &officer.user)?;
            unique(under.at("user"), &mut users, &officer.user)?;
            self.known_institution(under.at("institution"), &officer.institution)?;
            ordered(under.at("valid_until"), officer.certified_on, officer.valid_until)?;
            unique(under.at("key"), &mut keys, &public_key(under.at("key"), officer)?)?;
        }
        for (n, user) in self.site.secretariat.iter().enumerate() {
            account(places.at(&format!("site.secretariat.{n}")), user)?;
        }
        Ok(())
    }

    fn plans(&self, places: &Place) -> Checked {
        let mut ids = BTreeSet::new();
        for (n, project) in self.projects.iter().enumerate() {
            let under = places.at(&format!("project.{n}"));
            id(under.at("id"), &project.id)?;
            unique(under.at("id"), &mut ids, &project.id)?;
            self.known_institution(under.at("institution"), &project.institution)?;
            ordered(under.at("until"), project.from, project.until)?;
            for (m, member) in project.members.iter().enumerate() {
                account(under.at(&format!("members.{m}")), member)?;
            }
        }
        Ok(())
    }

    fn known_institution(&self, place: &Place, name: &str) -> Checked {
        if self.institution(name).is_some() {
            return Ok(());
        }
        let known: Vec<_> = self.institutions.iter().map(|i| format!("`{}`", i.id)).collect();
        let known = if known.is_empty() { "(none)".into() } else { known.join(", ") };
        Err(place.refuse(
            (
                format!("there is no institution `{name}`"),
                format!("accepted values: {known}; or add an [[institution]]"),
            ),
            (
                format!("機関 `{name}` は登録されていません"),
                format!("使える値: {known}。または [[institution]] を追加してください"),
            ),
        ))
    }

    fn bounds(&self, places: &Place) -> Checked {
        let l = &self.limits;
        let positive = [
            ("limits.file_bytes", l.file_bytes),
            ("limits.request_files", l.request_files),
            ("limits.inspect_seconds", l.inspect_seconds),
            ("limits.inspect_memory_bytes", l.inspect_memory_bytes),
            ("limits.decision_hours", l.decision_hours),
            ("numbers.significant_digits", u64::from(self.numbers.significant_digits)),
        ];
        for (key, value) in positive {
            if value == 0 {
                return Err(wrong(places.at(key), "0", "1 or more"));
            }
        }
        match &self.notary.checkpoint_drop {
            Some(path) => absolute(places.at("notary.checkpoint_drop"), path),
            None => Ok(()),
        }
    }

    /// `(key, the guideline's value, is this policy looser?)` for every threshold that has a guideline value.
    /// `frequency.reading` is not among them: clause 5-4(2)(ii) allows both readings.
    fn loosened(&self) -> [(&'static str, String, bool); 7] {
        let g = Self::default();
        let word = |w: Weight| format!("\"{}\"", w.as_str());
        [
            ("sites.limit", g.sites.limit.to_string(), self.sites.limit > g.sites.limit),
            ("sites.str_loci", g.sites.str_loci.to_string(), self.sites.str_loci > g.sites.str_loci),
            ("counts.minimum", g.counts.minimum.to_string(), self.counts.minimum < g.counts.minimum),
            ("counts.zero", word(g.counts.zero), self.counts.zero < g.counts.zero),
            (
                "frequency.straddle",
                word(g.frequency.straddle),
                self.frequency.straddle < g.frequency.straddle,
            ),
            (
                "numbers.significant_digits",
                g.numbers.significant_digits.to_string(),
                self.numbers.significant_digits > g.numbers.significant_digits,
            ),
            (
                "gate.release_needs",
                format!("\"{}\"", g.gate.release_needs.as_str()),
                self.gate.release_needs != g.gate.release_needs,
            ),
        ]
    }

    fn thresholds(&self, places: &Place) -> Checked {
        let loosened = self.loosened();
        let mut allowed = BTreeSet::new();
        for (n, deviation) in self.deviations.iter().enumerate() {
            let under = places.at(&format!("deviation.{n}"));
            if !loosened.iter().any(|(key, ..)| *key == deviation.key) {
                let keys: Vec<_> = loosened.iter().map(|(key, ..)| format!("`{key}`")).collect();
                return Err(wrong(under.at("key"), &deviation.key, &keys.join(", ")));
            }
            unique(under.at("key"), &mut allowed, &deviation.key)?;
            for (key, text) in [("allowed_by", &deviation.allowed_by), ("reason", &deviation.reason)] {
                if text.trim().is_empty() {
                    return Err(wrong(under.at(key), text, "a deviation must say who allowed it and why"));
                }
            }
        }
        for (key, guideline, looser) in loosened {
            if looser && !allowed.contains(key) {
                return Err(places.at(key).refuse(
                    (
                        format!("`{key}` is looser than the guideline ({guideline})"),
                        format!(
                            "accepted: {guideline} or stricter; or a [[deviation]] with key = \"{key}\", \
                             allowed_by, on and reason"
                        ),
                    ),
                    (
                        format!("`{key}` がガイドライン({guideline})より緩くなっています"),
                        format!(
                            "使える値: {guideline} またはより厳しい値。緩める場合は [[deviation]] に key = \"{key}\"、\
                             allowed_by、on、reason を書いてください"
                        ),
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn wrong(place: &Place, value: &str, accepted: &str) -> PolicyError {
    place.refuse(
        (format!("`{value}` is not accepted here"), format!("accepted values: {accepted}")),
        (format!("ここに `{value}` は書けません"), format!("使える値: {accepted}")),
    )
}

fn id(place: &Place, text: &str) -> Checked {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good =
        text.len() <= 64 && text.starts_with(plain) && text.chars().all(|c| plain(c) || c == '-' || c == '_');
    if good { Ok(()) } else { Err(wrong(place, text, ID_FORM)) }
}

fn account(place: &Place, name: &str) -> Checked {
    let good = !name.is_empty()
        && name.len() <= 64
        && !name.starts_with('-')
        && name.chars().all(|c| c.is_alphanumeric() || "-_.@$\\".contains(c));
    if good { Ok(()) } else { Err(wrong(place, name, "the name of a node account")) }
}

fn unique(place: &Place, seen: &mut BTreeSet<String>, text: &str) -> Checked {
    if seen.insert(text.to_owned()) {
        return Ok(());
    }
    Err(place.refuse(
        (format!("`{text}` is there twice"), "give each entry a value of its own, or remove one".into()),
        (format!("`{text}` が二度書かれています"), "どちらかを変えるか、削除してください".into()),
    ))
}

fn ordered(place: &Place, first: jiff::civil::Date, last: jiff::civil::Date) -> Checked {
    if first <= last { Ok(()) } else { Err(wrong(place, &last.to_string(), &format!("{first} or later"))) }
}

fn plain_path(path: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    path.split('/').all(plain)
}

fn absolute(place: &Place, path: &str) -> Checked {
    let good = path == "/" || path.strip_prefix('/').is_some_and(plain_path);
    if good {
        Ok(())
    } else {
        Err(wrong(place, path, "an absolute path without `.`, `..` or a slash at the end"))
    }
}

fn cidr(text: &str) -> bool {
    use core::net::IpAddr;
    let Some((address, length)) = text.split_once('/') else { return false };
    let (Ok(address), Ok(length)) = (address.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    // Bits below the length must be zero: `10.1.2.3/8` is a mistake, not a network.
    match address {
        IpAddr::V4(a) => length <= 32 && a.to_bits().checked_shl(length).unwrap_or(0) == 0,
        IpAddr::V6(a) => length <= 128 && a.to_bits().checked_shl(length).unwrap_or(0) == 0,
    }
}

/// The key, checked, without its comment.
fn public_key(place: &Place, officer: &Officer) -> Result<String, PolicyError> {
    use ssh_key::{Algorithm, PublicKey};
    let refuse = || {
        wrong(
            place,
            &officer.key,
            "an OpenSSH public key, `ssh-ed25519 AAAA…` or `sk-ssh-ed25519@openssh.com AAAA…`",
        )
    };
    let key = PublicKey::from_openssh(&officer.key).map_err(|_| refuse())?;
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::SkEd25519 => {
            PublicKey::from(key.key_data().clone()).to_openssh().map_err(|_| refuse())
        }
        _ => Err(refuse()),
    }
}
