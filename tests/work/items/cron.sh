# a cron job, installed by the administrator: cron runs it as the researcher, confined, and it writes inside a workspace
# runs beside the others
for i in $(seq 240); do [ -f /tmp/cron.done ] && break; sleep 0.5; done
cat /tmp/cron.done && mv /tmp/cron.done . && id -un
grep -q open /tmp/cron.way-out || touch confined
rm /tmp/cron.way-out
