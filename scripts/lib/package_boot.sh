#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The scenarios of `scripts/package --boot`. It runs in a booted scratch root, as root; package_boot.py starts it.
# Each line on stdout is a scenario that has passed, with its figures.

set -eEuo pipefail
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive HOME=/root
export BACKPLANE_SOCKET=/run/backplane/backplane.sock
unset XDG_RUNTIME_DIR || true

config=/etc/backplane/backplane.toml

fail() {
  echo "found: $1; expected: $2" >&2
  return 1
}
# What failed, with what the service says of itself.
tell() {
  echo "line $1 failed: $BASH_COMMAND" >&2
  systemctl status backplane.service backplane.socket --no-pager -l >&2 || true
  journalctl --no-pager -n 60 -u backplane.service -u backplane.socket >&2 || true
}
trap 'tell $LINENO' ERR

passed() { echo "  $*"; }
property() { systemctl show backplane.service -p "$1" --value; }
is() {  # is PROPERTY VALUE
  local found
  found=$(property "$1")
  [ "$found" = "$2" ] || fail "$1=$found" "$2"
}
# Asks again until the command succeeds, for 30 s at most.
eventually() {
  local end=$((SECONDS + 30))
  until "$@"; do
    [ $SECONDS -lt $end ] || fail "still not after 30 s: $*" "success"
    sleep 0.1
  done
}
is_now() { [ "$(property "$1")" = "$2" ]; }
answers() { [ "$(backplane call echo.raw "$1" --raw 2>/dev/null)" = "$1" ]; }
hangs() {
  local code=0
  backplane ping >/dev/null 2>&1 || code=$?
  [ $code = 6 ]
}
in_ms() { echo $((($(date +%s%N) - $1) / 1000000)); }
process_field() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(property MainPID)/status"; }
drop_in() {
  mkdir -p /run/systemd/system/backplane.service.d
  cat >"/run/systemd/system/backplane.service.d/$1.conf"
  systemctl daemon-reload
}
no_drop_ins() {
  rm -rf /run/systemd/system/backplane.service.d
  systemctl daemon-reload
}

# ---- install ----
begin=$(date +%s%N)
apt-get -qq install -y backplane >/dev/null
systemctl is-active -q backplane || systemctl start backplane
answers first
passed "from apt install to the first answered call: $(in_ms "$begin") ms"

exposure=$(systemd-analyze security backplane.service --no-pager | sed -n 's/^.*exposure level for backplane.service: \([0-9.]*\).*$/\1/p')
[ "${exposure/./}" -le 05 ] || fail "systemd-analyze security $exposure" "at most 0.5"
systemd-analyze verify --man=no backplane.service backplane.socket 2>/scenarios/verify
[ ! -s /scenarios/verify ] || fail "$(cat /scenarios/verify)" "a clean systemd-analyze verify"
passed "systemd-analyze: security $exposure, verify clean"

# ---- start and notify ----
is ActiveState active
is StatusText "serving on $BACKPLANE_SOCKET"
backplane ping >/dev/null
[ "$(process_field NoNewPrivs)" = 1 ]
[ "$(process_field Seccomp)" = 2 ]
[ "$(process_field CapEff)" = 0000000000000000 ] || fail "$(process_field CapEff)" "no capability"
[ "$(process_field Uid | cut -f1)" -ge 61184 ] || fail "user $(process_field Uid)" "a dynamic user"
[ "$(stat -c %a $BACKPLANE_SOCKET)" = 600 ]
passed "start: ready is told, user $(process_field Uid | cut -f1), no capability, system calls are filtered"

backplane call kv.put '{"key": "a", "value": "kept"}' >/dev/null
ls /var/cache/backplane/ | grep -q '^backplane-modules-'
[ -z "$(find /tmp /var/tmp -name 'backplane-*' -not -path '*systemd-private*')" ]
backplane load /scenarios/modules/stuck.so >/dev/null
[ "$(backplane call stuck.echo 5)" = 5 ]
backplane reload stuck >/dev/null
[ "$(backplane call stuck.echo 6)" = 6 ]
backplane unload stuck >/dev/null
passed "modules: load, reload and unload in the hardened service"

drop_in slow <<U
[Service]
Environment=STUCK_DIR=/var/lib/backplane/stuck
ExecStartPre=/bin/mkdir -p /var/lib/backplane/stuck
TimeoutStartSec=2
U
cat >>$config <<U
[modules.stuck]
path = "/scenarios/modules/stuck.so"
U
systemctl stop backplane
is Result success
is ExecMainStatus 0
[ ! -e $BACKPLANE_SOCKET ] || fail "a socket after the stop" "none"
sed -i 's/^trial_load.*//; 1i trial_load = false' $config
sed -i '1i module_dirs = ["'"$(backplane --version --json | sed 's/.*"modules":"\([^"]*\)".*/\1/')"'"]' $config
mkdir -p /var/lib/private/backplane/stuck
chmod 777 /var/lib/private/backplane/stuck  # the module, which runs as another user, makes files here
touch /var/lib/private/backplane/stuck/init
begin=$(date +%s%N)
systemctl start backplane &
start=$!
eventually test -e /var/lib/private/backplane/stuck/init.reached
is SubState start
[ "$(property StatusText)" = "loading the module stuck" ]
sleep 3  # longer than TimeoutStartSec: the host has asked for the time
is SubState start
rm /var/lib/private/backplane/stuck/init
wait $start
passed "notify: systemctl start returned after the slow start of a module, $(in_ms "$begin") ms; it has asked for its time"

# ---- reload ----
cp $config /scenarios/good.toml
sed -i 's/^log_level = .*/log_level = "debug"/' $config
systemctl reload backplane
[ "$(backplane log | head -1)" = "all  debug" ] || fail "$(backplane log)" "all  debug"
is ActiveState active
echo 'no_such_key = 1' >$config
if systemctl reload backplane 2>/dev/null; then fail "a reload of a wrong file succeeded" "a failure"; fi
is ActiveState active
answers reload
journalctl -u backplane --no-pager | grep -q 'unknown key "no_such_key"'
cp /scenarios/good.toml $config
systemctl reload backplane
is StatusText "serving on $BACKPLANE_SOCKET"
passed "reload: a change is made when systemctl returns; a wrong file fails, is told, and changes nothing"

# ---- kill -9 ----
no_drop_ins
systemctl restart backplane
restarts=$(property NRestarts)
old=$(property MainPID)
kill -9 "$old"
begin=$(date +%s%N)
eventually is_now NRestarts $((restarts + 1))
eventually answers again
[ "$(property MainPID)" != "$old" ]
[ "$(ls -d /var/cache/backplane/backplane-modules-* | wc -l)" = 1 ] || fail "$(ls /var/cache/backplane)" "one directory"
[ "$(backplane call kv.get '{"key": "a"}')" = '{"found":true,"value":"kept"}' ]
passed "kill -9: restarted and answering after $(in_ms "$begin") ms, the copies of the killed host are gone"

# ---- watchdog ----
drop_in watchdog <<U
[Service]
Environment=STUCK_DIR=/var/lib/backplane/stuck
WatchdogSec=2
U
systemctl restart backplane
restarts=$(property NRestarts)
touch /var/lib/private/backplane/stuck/handler
backplane call stuck.hold 1 >/dev/null &
call=$!
eventually test -e /var/lib/private/backplane/stuck/handler.reached
sleep 5  # more than two times WatchdogSec
is NRestarts "$restarts"
eventually hangs  # a context is not judged in its first ten seconds
is NRestarts "$restarts"
rm /var/lib/private/backplane/stuck/handler
wait $call
eventually backplane ping >/dev/null
kill -STOP "$(property MainPID)"
begin=$(date +%s%N)
eventually is_now NRestarts $((restarts + 1))
eventually answers watchdog
journalctl -u backplane --no-pager | grep -q 'Watchdog timeout'
passed "watchdog: a stuck handler is no reason for it; a process that stands still was replaced after $(in_ms "$begin") ms"
no_drop_ins

# ---- a wrong start ----
echo 'no_such_key = 1' >$config
if systemctl restart backplane 2>/dev/null; then fail "a start with a wrong file succeeded" "a failure"; fi
is ExecMainStatus 2
is NRestarts 0
[[ $(property StatusText) == *no_such_key* ]] || fail "$(property StatusText)" "why"
cp /scenarios/good.toml $config
systemctl reset-failed backplane
passed "a wrong configuration: not tried again, and systemctl status says why"

# ---- socket activation ----
systemctl stop backplane
systemctl enable -q --now backplane.socket
[ "$(stat -c %a $BACKPLANE_SOCKET)" = 600 ]
is ActiveState inactive
begin=$(date +%s%N)
answers activated
passed "socket activation: the first call was answered after $(in_ms "$begin") ms"
is ActiveState active
[ ! -e $BACKPLANE_SOCKET.lock ]
inode=$(stat -c %i $BACKPLANE_SOCKET)
: >/scenarios/calls
(while [ -e /scenarios/calls ]; do
  backplane call echo.raw x --raw --timeout 20000 >/dev/null 2>>/scenarios/errors || echo failed >>/scenarios/errors
done) &
loop=$!
for _ in 1 2 3; do
  systemctl reset-failed backplane  # systemd allows five starts in ten seconds
  systemctl restart backplane
  sleep 0.3
done
systemctl reset-failed backplane
kill -9 "$(property MainPID)"
eventually is_now ActiveState active
eventually answers after
rm /scenarios/calls
wait $loop
# A call that was on its way when its host was killed or restarted may fail; no connection finds nobody.
if grep -q 'no host serves' /scenarios/errors 2>/dev/null; then fail "$(sort /scenarios/errors | uniq -c)" "no refused connection"; fi
[ "$(stat -c %i $BACKPLANE_SOCKET)" = "$inode" ] || fail "another socket" "the one of the unit"
systemctl stop backplane
is Result success
[ "$(stat -c %i $BACKPLANE_SOCKET)" = "$inode" ]
answers "once more"
systemctl stop backplane.socket backplane.service
[ ! -e $BACKPLANE_SOCKET ] || fail "a socket without a unit" "none"
systemctl disable -q backplane.socket
passed "socket activation: the socket outlives three restarts, kill -9 and a stop; no connection was refused"

# ---- sockets for others ----
groupadd shop
useradd -M -g shop -s /bin/sh buyer
useradd -M -s /bin/sh passer
as() {  # as USER COMMAND…
  local user=$1
  shift
  setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups backplane "$@" --socket /run/backplane-callers.sock
}
cat >/run/systemd/system/backplane-callers.socket <<U
[Socket]
ListenStream=/run/backplane-callers.sock
SocketMode=0660
SocketGroup=shop
Service=backplane.service
RemoveOnStop=yes
U
cat >>$config <<U
[[listen]]
path = "/run/backplane-callers.sock"
may = ["call"]
U
systemctl daemon-reload
systemctl start backplane-callers.socket
systemctl start backplane
[ "$(as buyer call echo.raw x --raw)" = x ]
if as buyer status 2>/dev/null; then fail "a look with the role call alone" "a refusal"; fi
if as passer call echo.raw x --raw 2>/dev/null; then fail "a call of another group" "a refusal"; fi
systemctl restart backplane
[ "$(as buyer call echo.raw y --raw)" = y ]
systemctl stop backplane-callers.socket backplane
cp /scenarios/good.toml $config
passed "sockets for others: a group may call, and nobody else"

# ---- packages and the running service ----
systemctl start backplane
apt-get -qq install -y --reinstall backplane libbackplane0 >/dev/null
eventually answers reinstalled
[ "$(backplane status --json | grep -c '"replaced":true')" = 0 ] || fail "a host with replaced files" "a new one"
passed "reinstall: the service runs the new files"
pid=$(property MainPID)
apt-get -qq purge -y backplane >/dev/null
[ ! -e "/proc/$pid" ] || fail "a host without its files" "none"
for path in /run/backplane /run/private/backplane /var/lib/backplane /var/lib/private/backplane /var/cache/backplane \
  /var/cache/private/backplane /etc/backplane; do
  [ ! -e $path ] && [ ! -L $path ] || fail "$path after the purge" "nothing"
done
passed "purge: no host, no socket and no file is left"

echo "all scenarios have passed"
