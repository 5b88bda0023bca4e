# What cron runs: work inside a workspace, and a try to leave.
[ -f /tmp/cron.done ] && exit
echo x > /mnt/out/cron && echo open > /tmp/cron.way-out || touch /tmp/cron.way-out
id -un > /tmp/cron.new && mv /tmp/cron.new /tmp/cron.done
