# Starts a registry and a binary cache in a network name space, and runs builds in others that reach
# nothing else. Arguments: a folder with registry.yml, the directory of the cache, and a script for each
# builder, which gets the address of the registry and of the cache.
set -eu
folder=$1 cache=$2
shift 2
ip link set lo up
docker-registry serve "$folder/registry.yml" >"$folder/registry.log" 2>&1 &
registry=$!
python3 -u -m http.server --protocol HTTP/1.1 --bind 0.0.0.0 8080 --directory "$cache" >/dev/null 2>>"$folder/access.log" &
server=$!
trap 'kill $registry $server $spaces 2>/dev/null || true' EXIT
spaces=
number=0
for script; do
    number=$((number + 1))
    unshare --net sleep 300 &
    space=$!
    spaces="$spaces $space"
    # Until it is in a name space of its own, its link would stay here.
    while [ "$(readlink /proc/$space/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
    ip link add "veth$number" type veth peer name eth0 netns "$space"
    ip addr add "10.99.$number.1/24" dev "veth$number"
    ip link set "veth$number" up
    nsenter --net="/proc/$space/ns/net" sh -euc "ip link set lo up; ip addr add 10.99.$number.2/24 dev eth0; ip link set eth0 up"
    tries=0
    until nsenter --net="/proc/$space/ns/net" python3 -c "
import socket
for port in 5000, 8080:
    socket.create_connection(('10.99.$number.1', port), 1).close()" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || { echo "the servers do not start" >&2; exit 1; }
        sleep 0.1
    done
    echo "builder $number" >>"$folder/access.log"
    nsenter --net="/proc/$space/ns/net" sh -eu "$script" "10.99.$number.1:5000" "http://10.99.$number.1:8080"
done
