# Plays every item of ordinary work, as the researcher, each in an empty directory of its own, and says what came of
# it: `@@ name exit-code confined begin end output errors`, times in seconds since the epoch, the last two in base64.
items=${0%/*}/items
play() {
    name=$(basename "$1" .sh)
    mkdir -p ~/work/"$name" && cd ~/work/"$name" || exit 70
    begin=$EPOCHREALTIME
    timeout --kill-after=5 300 bash "$1" > ../"$name".out 2> ../"$name".err < /dev/null
    code=$?
    end=$EPOCHREALTIME
    confined=-
    [ -f confined ] && confined=yes
    echo "@@ $name $code $confined $begin $end $(base64 -w0 < ../"$name".out) $(tail -c 4000 ../"$name".err | base64 -w0)"
}
rm -rf ~/work
beside=$(grep -l '^# runs beside the others' "$items"/*.sh)
for item in $beside; do (play "$item" > "/tmp/beside-$(basename "$item" .sh)") & done
for item in ${*:-$(cd "$items" && ls -- *.sh)}; do
    item=$items/${item%.sh}.sh
    case $beside in *"$item"*) ;; *) (play "$item") ;; esac
done
wait
cat /tmp/beside-*
rm -f /tmp/beside-*
