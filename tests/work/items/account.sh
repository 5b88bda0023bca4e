# what a login looks up: accounts, groups, names, time, locale, the journal
id -un; id -nG; getent passwd researcher | cut -d: -f1,6; getent group demo | cut -d: -f1; getent hosts localhost | wc -l; locale charmap; LANG=ja_JP.UTF-8 date -d @0 +%A; TZ=Asia/Tokyo date -d @0 +%H
hostname; uname -s; df -P /home | wc -l; who > /dev/null; last -n 1 > /dev/null 2>&1; logger -t work said by the researcher; echo "logger $?"; umask; w -h > /dev/null; echo "w $?"
