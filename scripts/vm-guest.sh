#!/bin/bash
# What scripts/vm-test.sh runs inside its machine, at each of its boots: first a project through a
# reboot and a power cut, then the tests, case by case. Results go to /results, which the machine
# keeps over a reboot and which is written to the third disk as a tar archive. With --readme: the
# README's two commands, and their logs.
#   /results/PROGRAM.cases   a line for a case: verdict, seconds, name
#   /results/PROGRAM.log     what cases that did not pass have said
set -uo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
build='' tests='' filter='*' case_seconds=120 reboot=yes readme=
# shellcheck source=/dev/null
. /mnt/settings
davit=$build/bin/davit

copy_out() { tar -C /results -cf /dev/vdc . 2>/dev/null; sync; }

first_boot() {
    cp -a /mnt/tree/. /
    mkdir -p /results
    cp -a /mnt/results/. /results/
    {
        uname -a
        stat -f -c 'cgroups: %T' /sys/fs/cgroup
        cat /sys/fs/cgroup/cgroup.controllers /sys/kernel/security/lsm
        echo
        systemctl --version | head -1
        if [ -z "$readme" ]; then "$davit" version; fi
    } > /results/machine.txt 2>&1
    copy_out
}

# --- the README's two commands: apt asks its mirrors in vain, and takes what is in its cache ---

readme_command() {  # NAME: of a script
    local begin=$SECONDS watcher
    (while sleep 60; do copy_out; done) &
    watcher=$!
    (cd /davit && exec env DAVIT_TESTS_MUST_RUN=1 "scripts/$1.sh") > "/results/$1.log" 2>&1
    printf '\nended with %s after %s s of the machine, at %s\n' "$?" "$((SECONDS - begin))" "$(date -Is)" \
        >> "/results/$1.log"
    echo "vm: scripts/$1.sh has ended"
    kill "$watcher"
    copy_out
}

# --- a project through the end of the machine ---

say() {
    echo "vm: $1 $2"
    echo "$1 $2" >> /results/reboot
    sync
}

expect() {  # MESSAGE COMMAND...
    local message=$1 said
    shift
    if said=$("$@" 2>&1); then say passed "$message"; else say failed "$message: $said"; fi
}

state_is() {
    local found
    found=$("$davit" inspect -f '{{.State.Status}}' "boottest-$1-1" 2>&1)
    [[ "$found" =~ ^$2$ ]] || { echo "$1 is $found"; "$davit" ps -a; return 1; }
}

came_back() {  # AFTER WHAT
    local unit=davit@boottest.service
    timeout 120 bash -c "while [ \"\$(systemctl is-active $unit)\" = activating ]; do sleep 1; done"
    expect "$1, the unit is active" systemctl is-active "$unit"
    cd /root/boottest || return
    expect "$1, 'always' runs" state_is always running
    # A power cut leaves nobody who could say how it ended.
    expect "$1, 'once' does not" state_is once '(exited|created)'
    expect "$1, what the user had stopped does not" state_is stopped exited
    expect "$1, exec gets in" "$davit" exec -T always true
    expect "$1, it answers at its published port" timeout 20 bash -c \
        'until curl -s --max-time 3 http://127.0.0.1:8080/ | grep -q it-came-back; do sleep 1; done'
    for name in second third; do
        expect "$1, the stack '$name' is back" timeout 60 bash -c \
            "cd /; until [ \"\$('$davit' -p $name ps -q | wc -l)\" = 2 ]; do sleep 1; done"
    done
}

prepare_reboot() {
    mkdir -p /root/boottest && cd /root/boottest || return
    mkdir -p root/bin root/www && cp /bin/busybox root/bin/ && echo it-came-back > root/www/index.html
    for name in sh httpd sleep true; do ln -sf busybox "root/bin/$name"; done
    tar -C root -cf root.tar . && "$davit" import root.tar local/bb:1 > /dev/null
    cat > compose.yaml <<'YAML'
name: boottest
services:
  always: {image: local/bb:1, command: httpd -f -h /www, restart: always, ports: ["8080:80"], stop_signal: SIGKILL}
  stopped: {image: local/bb:1, command: sleep 10000, restart: unless-stopped, stop_signal: SIGKILL}
  once: {image: local/bb:1, command: sleep 10000, stop_signal: SIGKILL}
YAML
    expect "before the reboot, up" "$davit" up -d
    expect "before the reboot, enable" "$davit" enable boottest
    expect "before the reboot, stop" "$davit" stop stopped
    for name in second third; do
        cat > "$name.yaml" <<YAML
name: $name
services:
  one: {image: local/bb:1, command: sleep 10000, restart: always, stop_signal: SIGKILL}
  two: {image: local/bb:1, command: sleep 10000, restart: always, stop_signal: SIGKILL, depends_on: [one]}
YAML
        expect "before the reboot, up of '$name'" "$davit" -f "$name.yaml" up -d
        expect "before the reboot, enable of '$name'" "$davit" enable "$name"
    done
}

# --- the power is cut in the middle of `up` and of `pull` ---

images=${build%/*}/images
# Debian's own registry, which has a password, is at port 5000.
pulled=127.0.0.1:5055/nginx:1

start_registry() {
    cat > /root/registry.yaml <<'YAML'
version: 0.1
storage: {filesystem: {rootdirectory: /root/registry}}
http: {addr: 127.0.0.1:5055}
YAML
    docker-registry serve /root/registry.yaml > /root/registry.log 2>&1 &
    timeout 60 bash -c 'until curl -s http://127.0.0.1:5055/v2/ > /dev/null; do sleep 0.5; done'
}

many() { "$davit" -f /root/boottest/many.yaml "$@"; }

prepare_cut() {
    cd /root/boottest || return
    {
        echo 'name: many'
        echo 'services:'
        for i in $(seq 60); do
            echo "  s$i: {image: local/bb:1, command: sleep 10000, stop_signal: SIGKILL}"
        done
    } > many.yaml
    start_registry
    expect "before the power cut, load" "$davit" load -q -i "$images/nginx.tar"
    expect "before the power cut, push" bash -c "'$davit' tag davit/nginx:demo $pulled && '$davit' push -q $pulled"
    expect "before the power cut, rmi" "$davit" rmi "$pulled" davit/nginx:demo
    sync
}

containers_made() { find /run/davit/many -mindepth 2 -maxdepth 2 -name state.json 2> /dev/null | wc -l; }

is_under_way() {  # some containers are there and not all; some bytes of the image are there
    local made
    made=$(containers_made)
    [ "$made" -ge 5 ] && [ "$made" -lt 60 ] && [ -n "$(find /var/lib/davit/images/tmp -type f -size +1M)" ]
}

cut_power() {
    prepare_cut
    "$davit" pull "$pulled" > /root/pull.log 2>&1 &
    many up -d > /root/up.log 2>&1 &
    for _ in $(seq 600); do
        if is_under_way; then break; fi
        sleep 0.1
    done
    if ! is_under_way; then say failed "up and pull are not under way when the power is cut"; fi
    # As if somebody had pulled the plug. Nothing is synced right before it, results neither.
    echo "vm: the power is cut, with $(containers_made) containers of 60"
    echo b > /proc/sysrq-trigger
    sleep 600
}

mended() {
    start_registry
    expect "after the power cut, the images are whole" "$davit" image check
    expect "after the power cut, pull goes on" "$davit" pull "$pulled"
    expect "after the power cut, what was pulled is whole" "$davit" image check
    expect "after the power cut, up goes on" many up -d
    expect "after the power cut, all of it runs" bash -c "cd /; [ \"\$('$davit' -p many ps -q | wc -l)\" = 60 ]"
    expect "after the power cut, down" many down
    expect "after the power cut, nothing of it is left" bash -c "cd /; [ -z \"\$('$davit' -p many ps -aq)\" ] && [ ! -e /run/davit/many ]"
}

# Each stage but the last ends with the end of the machine.
reboot_stages() {
    case "$(cat /results/stage 2>/dev/null)" in
        '')
            first_boot
            if [ -n "$readme" ]; then
                readme_command demo
                (cd /davit/samples/hello-nginx && "$davit" down -v) >> /results/demo.log 2>&1
            fi
            if [ "$reboot" = no ] || [ -e /results/reboot ]; then return; fi
            prepare_reboot
            echo 1 > /results/stage
            copy_out
            systemctl reboot
            sleep 600
            ;;
        1)
            came_back 'after a reboot'
            echo 2 > /results/stage
            copy_out
            cut_power
            ;;
        2)
            came_back 'after a power cut'
            mended
            cd / || return
            for name in second third; do
                expect "disable of '$name'" "$davit" disable "$name"
                expect "down of '$name'" "$davit" -p "$name" down
            done
            cd /root/boottest || return
            expect "disable" "$davit" disable boottest
            expect "down" "$davit" down
            ;;
    esac
}

# --- the tests ---

run_case() {  # PROGRAM NAME
    local program=$1 name=$2 begin=$SECONDS status verdict=failed log
    log=$(mktemp)
    timeout --kill-after=10 "$case_seconds" "./$program" --test-case="${name//,/\\,}" > "$log" 2>&1
    status=$?
    case $status in
        0) verdict=passed ;;
        77) verdict=skipped ;;
        124 | 137) verdict=timeout ;;
    esac
    echo "$verdict $((SECONDS - begin)) $name" >> "/results/$program.cases"
    if [ "$verdict" != passed ]; then
        echo "vm: $verdict: $program: $name"
        { echo "=== $verdict ($status): $name"; tail -c 8000 "$log"; } >> "/results/$program.log"
    fi
    rm -f "$log"
}

run_program() {  # PROGRAM
    local program=$1 name
    cd "$build/tests/${program#test_}" || return
    touch "/results/$program.cases"
    "./$program" --list-test-cases --test-case="$filter" | grep -v '^\[doctest\]\|^===' > /run/cases
    # Earlier cases that this filter leaves out are in the file of results as well.
    cut -d' ' -f3- "/results/$program.cases" | cat - /run/cases | sort -u | wc -l > "/results/$program.wanted"
    while IFS= read -r name <&3; do
        if ! cut -d' ' -f3- "/results/$program.cases" | grep -qxF -- "$name"; then run_case "$program" "$name"; fi
    done 3< /run/cases
    echo "vm: $program has ended"
}

reboot_stages
copy_out
if [ -n "$readme" ]; then readme_command test; fi
(while sleep 60; do copy_out; done) &
for module in overlay veth bridge macvlan ipvlan nf_tables nft_chain_nat nf_conntrack loop xfs sctp fuse tun; do
    modprobe -q "$module"
done
for program in $tests; do run_program "$program"; done
copy_out
systemctl poweroff
