#!/bin/sh
# A registry from a pasted image reference to a browsed tag, and a wrong password with its cause;
# docs/howto/registries.md explains each step.
#
#   registries.sh FOLDER IMAGE CA USER PASSWORD-FILE [TOKEN-REALM]
#
# FOLDER is made and keeps everything. IMAGE is a full reference in a registry that runs, HOST/PATH:TAG; CA the file of
# the authority that signed its certificate; USER may pull it and nothing else, with the password in PASSWORD-FILE.
# TOKEN-REALM is the address of its token service, if that is elsewhere. Needs `portreeve` on the PATH.
set -eu

folder=$1 image=$2 ca=$3 user=$4 password=$5 realm=${6:-}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
export XDG_CONFIG_HOME="$folder/config" XDG_DATA_HOME="$folder/data" XDG_CACHE_HOME="$folder/cache" XDG_STATE_HOME="$folder/state"
path=${image#*/}
repository=${path%%:*}

say() { printf '\n== %s\n' "$*"; }

say "Start, and sign in by the link"
portreeve up --port 0 >"$folder/link" 2>"$folder/log" &
started=$!
trap 'kill "$started" 2>/dev/null || true' EXIT
waited=0
until [ -s "$folder/link" ]; do
    kill -0 "$started" 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
    waited=$((waited + 1))
    [ "$waited" -lt 600 ] || { echo "it did not start within a minute" >&2; exit 1; }
    sleep 0.1
done
portreeve login "$(sed 's,/login#t=.*,,' "$folder/link")" --link-stdin <"$folder/link"

# add NAME PASSWORD-FILE: a registry from the pasted reference.
add() {
    set -- "$image" --name "$1" --registry-ca "$ca" --parameter "username=$user" --from-file "$2" \
        --expires-at 2036-01-01T00:00:00Z -y
    [ -z "$realm" ] || set -- "$@" --token-realm "$realm"
    portreeve add registry "$@"
}

say "Add a registry from an image reference, as it was pasted; it is tried at once"
add here "$password"

say "Try it again, by name: every stage is green"
portreeve validate registry here --image "$path"

say "Browse: the tags of the repository, then one image"
portreeve browse "here/$repository"
portreeve browse "here/$path"

say "The same with a wrong password: stored, and the cause is named"
printf 'not-the-password' >"$folder/wrong"
code=0
add wrong "$folder/wrong" || code=$?
[ "$code" -eq 1 ] || { echo "a wrong password was not found out" >&2; exit 1; }
portreeve validate registry wrong -o json >"$folder/wrong.json" || [ $? -eq 1 ]
grep -q registry_unauthorized "$folder/wrong.json"

say "What it needs of the network"
portreeve apply -y -f - <<'YAML'
apiVersion: portreeve.io/v1
kind: EnvironmentGroup
metadata: {name: production}
spec: {type: kubernetes}
---
apiVersion: portreeve.io/v1
kind: Environment
metadata: {name: prod-eu}
spec: {type: kubernetes, tier: production, group: production}
YAML
portreeve grant here --environment prod-eu -n shop -y
portreeve egress prod-eu --export
portreeve egress prod-eu --diff

kill "$started"
wait "$started" || true
say "The registry works, and its firewall knows what it needs"
