# A cluster of three nodes in kube-proxy's mode ipvs, and packets to its Services: says what came of each, one line for one fact.
# Run by ipvs-cluster.test.ts in a guest. $1: kubectl. In here the cluster's data are in memory.
KUBECTL=$1
export KUBECONFIG=/var/lib/kedge/guest/kubeconfig
for folder in /var/lib /var/log /srv; do mount -t tmpfs tmpfs $folder; done
modprobe ip_vs
kedge() { node dist/kedge.mjs "$@"; }
k() { "$KUBECTL" "$@"; }
say() { echo "GUEST [$(cut -d' ' -f1 /proc/uptime)] $*"; }
fail() { say "FAILED $1"; tail -n 25 /var/lib/kedge/guest/logs/*.log /var/lib/kedge/guest/logs/*/*.log | tail -c 6000; exit 1; }
of() { k get "$1" "$2" -o "jsonpath=$3"; }

# Another network, with the programs of this machine: a client's (each sleeps for a time of its own), a node's.
client_of() { pgrep -o -f "^/bin/busybox sleep 1000$1"; }
in_pod() { number=$1; shift; nsenter -t "$(client_of "$number")" -n "$@"; }
in_node() { number=$1; shift; nsenter -t "$(pgrep -o -f "kedge.mjs kubelet .*/node$number/")" -n "$@"; }
net_of() { pgrep -o -f "kedge.mjs net .*/node$1/"; }
node_ip() { of node "node$1" '{.status.addresses[0].address}'; }

# The last line of what ADDRESS PORT answers; nothing, if it does not.
get() { timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf "GET / HTTP/1.0\r\n\r\n" >&3 && tail -n 1 <&3' "$@" 2>/dev/null; }
# Of TIMES ADDRESS PORT: how many servers answered, and how many times they did.
gets() { for _ in $(seq "$1"); do get "$2" "$3"; done | awk '!seen[$0]++ { servers++ } END { print servers + 0, NR }'; }
export -f get gets
from_pod() { in_pod "$1" bash -c 'gets "$@"' - "${@:2}"; }
# What the command says once it is as EXPECTED, or what it says at last.
settled() { for _ in $(seq 40); do said=$("${@:2}"); [ "$said" = "$1" ] && break; sleep 1; done; echo "$said"; }
# Of node NUMBER: real servers of an address that take new connections (weight 1), and whether the address is the node's.
scheduled() { echo "$(in_node "$1" ipvsadm -Ln -t "$2:80" | grep -Ec ' Masq +1 ') $(in_node "$1" ip -o address show dev kube-ipvs0 | grep -c "$2/32")"; }

kedge up --name guest --nodes 3 --proxy-mode ipvs --detach || fail up
say up
mkdir -p /srv/image/bin; cp /bin/busybox /srv/image/bin
kedge image build /srv/image --name guest --tag kedge.local/busybox:1 || fail image
k apply -f test/machines/guest/ipvs-cluster.yaml || fail apply
k wait pod --all --for=condition=Ready --timeout=300s || { k get pods -o wide; fail ready; }
say ready

WEB=$(of service web '{.spec.clusterIP}'); PORT=$(of service web '{.spec.ports[0].nodePort}')
say "SPREAD: $(k get pods -l app=web -o 'jsonpath={.items[*].spec.nodeName}' | tr ' ' '\n' | sort | tr '\n' ' ')"
for n in 1 2 3; do say "CLUSTERIP $n: $(settled '3 9' from_pod $n 9 "$WEB" 80)"; done
for n in 1 2 3; do say "NODEPORT $n: $(settled '3 9' gets 9 "$(node_ip $n)" "$PORT")"; done
for n in 1 2 3; do say "SCHEDULED $n: $(scheduled $n "$WEB")"; done
say "STICKY: $(from_pod 2 9 "$(of service sticky '{.spec.clusterIP}')" 80)"
UDP=$(of service names '{.spec.clusterIP}')
SERVER="const u = require('dgram').createSocket('udp4'); u.on('message', (_, r) => u.send('lone', r.port, r.address)); u.bind(5353)"
nsenter -t "$(pgrep -o -f '^/bin/busybox httpd -f -p 8081')" -n node -e "$SERVER" & UDP_SERVER=$!
CLIENT="const u = require('dgram').createSocket('udp4'); u.on('message', (m) => { console.log(String(m)); process.exit() }); setInterval(() => u.send('?', 53, '$UDP'), 500)"
say "UDP: $(in_pod 3 timeout 60 node -e "$CLIENT")"
kill $UDP_SERVER
DNS=$(awk '/^nameserver/ { print $2; exit }' "/proc/$(client_of 1)/root/etc/resolv.conf")
say "DNS: $(in_pod 1 busybox nslookup web.default.svc.cluster.local "$DNS" | grep -c "$WEB")"
LOCAL=$(of service lone '{.spec.ports[0].nodePort}')
for n in 1 2; do say "LOCAL $n: $(gets 2 "$(node_ip $n)" "$LOCAL")"; done
say "TRACE: $(kedge trace "http://$WEB" --from=pod/client1 | grep -o 'IPVS of node node1 leads to .*')"

k scale deployment web --replicas=2 >/dev/null
say "TWO: $(settled '2 8' from_pod 1 8 "$WEB" 80)"

# A connection that stands before the process is killed asks its question after that.
in_pod 1 bash -c 'exec 3<>"/dev/tcp/$0/80"; touch /run/held; until [ -e /run/killed ]; do sleep 0.2; done; printf "GET / HTTP/1.0\r\n\r\n" >&3; timeout 20 tail -n 1 <&3 >/run/answer' "$WEB" & HELD=$!
until [ -e /run/held ]; do sleep 0.2; done
NET=$(net_of 1); kill -9 "$NET"; touch /run/killed
say "KILLED: $(from_pod 1 8 "$WEB" 80), $(scheduled 1 "$WEB")"
wait $HELD; say "HELD: $(grep -c '^web-' /run/answer)"
k scale deployment web --replicas=3 >/dev/null
say "AGAIN: $(settled '3 9' from_pod 1 9 "$WEB" 80) $([ "$(net_of 1)" != "$NET" ] && echo another)"
say "EVENT: $(k get events -A --field-selector reason=IPVSDeprecation -o 'jsonpath={.items[0].source.component} {.items[0].message}')"

kedge down --name guest --purge || fail down
say "LEFT: [$(ip netns)$(ipvsadm -Ln | grep -E '^(TCP|UDP)')$(ip -o link show type dummy)$(nft list tables)] $(lsns -n -t net | wc -l)"
