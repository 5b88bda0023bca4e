# sudo to read what the system has, as root and as oneself
sudo -n id -u; sudo -n cat /etc/shadow | grep -c researcher; sudo -n sh -c 'wc -l < /etc/sudoers.d/researcher'
sudo -n -u researcher id -un; sudo -n -i id -un; sudo -n ls /root > /dev/null && echo listed
sudo -n journalctl -b -n 1 -q | wc -l; sudo -n lsblk -n -o NAME | grep -c vd
