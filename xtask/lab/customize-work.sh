# Runs after customize.sh, in the image `work` only: what a machine for people has besides.

# A login gets its user manager here, as it does on a Debian nobody has tuned.
systemctl unmask -q user@.service
systemctl enable -q cron.service atd.service
