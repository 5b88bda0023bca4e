# Runs as root inside the freshly unpacked Debian tree. Turns it into the lab's node: two people, their keys,
# places to escape to, and nothing at boot that the lab does not need.
extra=/root/extra

# --- the machine
echo sekisho-lab > /etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 sekisho-lab\n10.0.2.2 outside.example\n' > /etc/hosts
echo 'nameserver 10.0.2.3' > /etc/resolv.conf
echo 'en_US.UTF-8 UTF-8
ja_JP.UTF-8 UTF-8' > /etc/locale.gen
locale-gen > /dev/null
echo 'LANG=C.UTF-8' > /etc/default/locale
ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime
systemd-machine-id-setup > /dev/null
: > /etc/fstab

# --- people
useradd --uid 1001 --user-group --create-home --shell /bin/bash --comment 'Researcher' researcher
useradd --uid 1002 --user-group --create-home --shell /bin/bash --comment 'Security officer' officer
chmod 700 /home/researcher /home/officer
echo 'researcher ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/researcher
chmod 440 /etc/sudoers.d/researcher
for home in /root /home/researcher /home/officer; do
    mkdir -p -m 700 "$home/.ssh"
    cp "$extra/login_ed25519.pub" "$home/.ssh/authorized_keys"
done
install -m 600 "$extra/officer_ed25519" /home/officer/.ssh/id_ed25519
install -m 644 "$extra/officer_ed25519.pub" /home/officer/.ssh/id_ed25519.pub
chown -R researcher:researcher /home/researcher
chown -R officer:officer /home/officer

# --- places outside every zone, and what an attacker likes to find
mkdir -m 1777 /home/outside
mkdir -p -m 1777 /mnt/out
mkdir -p /usr/lib/modules
echo 'kernel.unprivileged_userns_clone = 1' > /etc/sysctl.d/60-lab.conf
# A login has a loginuid, as one through sshd has.
sed -i '0,/^session/s//session    required   pam_loginuid.so\nsession/' /etc/pam.d/su-l
# Files the lab puts below /tmp before boot stay there.
printf 'q /tmp 1777 root root -\nq /var/tmp 1777 root root -\n' > /etc/tmpfiles.d/tmp.conf

# --- data: public genotypes of 379 people (1000 Genomes, EUR), where a site would mount its own, read-only
data=/srv/data/1000genomes-eur
mkdir -p "$data"
tar -xJf /usr/share/doc/bolt-lmm/examples/examples.tar.xz -C "$data" --no-same-owner \
    EUR_subset.bed EUR_subset.bim EUR_subset.fam
chmod -R u=rwX,go=rX "$data"

# --- boot: everything real, nothing superfluous; every second counts when the processor is emulated
cp "$extra"/*.service /etc/systemd/system/
systemctl disable -q ssh.service
systemctl enable -q ssh.socket sekisho-lab-network.service sekisho-lab.service
systemctl set-default -q multi-user.target
# Per-user managers would only cost seconds; sessions themselves are logind's, and real.
systemctl mask -q user@.service getty@.service serial-getty@.service getty.target modprobe@.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer systemd-tmpfiles-clean.timer systemd-update-utmp.service systemd-update-utmp-runlevel.service \
    systemd-pstore.service systemd-random-seed.service systemd-boot-system-token.service systemd-binfmt.service \
    systemd-modules-load.service systemd-remount-fs.service systemd-ask-password-console.path \
    systemd-ask-password-wall.path systemd-initctl.socket proc-sys-fs-binfmt_misc.automount sys-kernel-debug.mount \
    sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount dev-hugepages.mount \
    dev-mqueue.mount systemd-journal-flush.service systemd-fsck-root.service cryptsetup.target \
    integritysetup.target veritysetup.target remote-fs.target swap.target
# udev is asked about the devices the lab has, not about every port of the emulated board.
mkdir -p /etc/systemd/system/systemd-udev-trigger.service.d
printf '[Service]\nExecStart=\nExecStart=-udevadm trigger --action=add %s\n' \
    '--subsystem-match=block --subsystem-match=net --subsystem-match=virtio-ports --subsystem-match=misc' \
    > /etc/systemd/system/systemd-udev-trigger.service.d/lab.conf
mkdir -p /etc/systemd/journald.conf.d
printf '[Journal]\nStorage=volatile\nForwardToConsole=no\nRateLimitBurst=0\n' > /etc/systemd/journald.conf.d/lab.conf
printf 'UseDNS no\nPermitRootLogin prohibit-password\n' > /etc/ssh/sshd_config.d/lab.conf

apt-get clean
rm -rf /var/lib/apt/lists/*
