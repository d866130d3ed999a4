# Runs in the new root, once its packages are installed: what files in root/ cannot say. $1 is the box's name.
set -eu

echo "$1" >/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$1" >/etc/hosts

# Vagrant's conventions: this user, sudo without a password, and the key that Vagrant replaces at the first `up`.
useradd --create-home --shell /bin/bash vagrant
install -d -m 700 -o vagrant -g vagrant /home/vagrant/.ssh
install -m 600 -o vagrant -g vagrant /root/vagrant.pub /home/vagrant/.ssh/authorized_keys
rm /root/vagrant.pub
chmod 440 /etc/sudoers.d/vagrant

systemctl enable systemd-networkd.service
systemctl disable systemd-networkd-wait-online.service
# Nobody looks at a console, and nothing here has a network or a next week.
systemctl mask getty.target apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer logrotate.timer man-db.timer 2>/dev/null

# The host keys that openssh-server made would be the same in every machine, and so would the machine's identity.
rm -f /etc/ssh/ssh_host_*
: >/etc/machine-id
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/*.log /var/log/apt

# A profile for a program that is not here, or that only another profile leads to, confines nothing, but to compile Debian 13's
# hundred of them takes a minute under emulation. unprivileged_userns is the kernel's own choice, and stays.
mkdir -p /etc/apparmor.d/disable
for profile in /etc/apparmor.d/*; do
    [ -f "$profile" ] && [ "${profile##*/}" != unprivileged_userns ] || continue
    program=$(sed -n 's|^profile [^ ]* \(/[^ {@,*]*\) .*|\1|p' "$profile" | head -n 1)
    if [ -n "$program" ] && [ ! -e "$program" ] || grep -q '^profile [a-z_]* {' "$profile"; then
        ln -s "../${profile##*/}" /etc/apparmor.d/disable/
    fi
done

# GRUB follows these links (build.py), as they are made by Debian's kernel packages.
test -e /vmlinuz
test -e /initrd.img

# Last of all: systemd sees that nothing in /usr is newer, and makes neither catalogues nor caches at the first boot.
touch /etc/.updated /var/.updated
