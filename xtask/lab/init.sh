#!/bin/sh
# The first process: finds the disks by name, installs the product onto the throw-away root, hands over to systemd.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

fail() {
    echo "lab: $*" > /dev/console
    poweroff -f
}
# The device whose serial is $1.
disk() {
    for serial in /sys/block/vd*/serial; do
        if [ "$(cat "$serial")" = "$1" ]; then
            name=${serial%/serial}
            echo "/dev/${name##*/}"
        fi
    done
}

while read -r module; do
    insmod "/modules/$module" || fail "cannot load $module"
done < /modules/order

mount -t ext4 "$(disk root)" /root || fail 'no root disk'
mount -t ext4 -o ro "$(disk modules)" /root/usr/lib/modules || fail 'no modules disk'
mount -t ext4 "$(disk out)" /root/mnt/out || fail 'no second disk'
chroot /root chmod 1777 /mnt/out
for archive in product run; do
    tar -x -f "$(disk $archive)" -C /root || fail "cannot unpack $archive"
done
mount -t proc proc /root/proc
chroot /root systemd-sysusers || fail 'systemd-sysusers failed'

exec switch_root /root /sbin/init
