#!/bin/sh
# From nothing to an enforced policy, and from one control plane to another; docs/howto/govern.md explains each step.
#
#   govern.sh FOLDER [DATABASE]
#
# FOLDER is made and keeps everything: settings, keys, databases, files. DATABASE is the address of an empty PostgreSQL
# database for the second control plane; without one that is SQLite as well. Needs `portreeve` on the PATH.
set -eu

folder=$1
database=${2:-}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
export XDG_CONFIG_HOME="$folder/config" XDG_DATA_HOME="$folder/data" XDG_CACHE_HOME="$folder/cache" XDG_STATE_HOME="$folder/state"

say() { printf '\n== %s\n' "$*"; }

# start NAME FILE: a control plane on a free port, whose sign-in link goes to FILE; sets $started to its process.
start() {
    portreeve up --port 0 >"$2" 2>"$folder/$1.log" &
    started=$!
    trap 'kill "$started" 2>/dev/null || true' EXIT
    waited=0
    until [ -s "$2" ]; do
        kill -0 "$started" 2>/dev/null || { cat "$folder/$1.log" >&2; exit 1; }
        waited=$((waited + 1))
        [ "$waited" -lt 600 ] || { echo "it did not start within a minute" >&2; exit 1; }
        sleep 0.1
    done
    server=$(sed 's,/login#t=.*,,' "$2")
}

stop() {
    kill "$started"
    wait "$started" || true
}

say "Start the first control plane, on SQLite, and sign in by its link"
start first "$folder/first.link"
portreeve login "$server" --link-stdin <"$folder/first.link"

say "A team, an environment and its group come first"
portreeve apply -y -f - <<'YAML'
apiVersion: portreeve.io/v1
kind: Team
metadata: {name: shop-leads}
spec: {title: Shop leads, members: [ada]}
---
apiVersion: portreeve.io/v1
kind: EnvironmentGroup
metadata: {name: production}
spec: {type: kubernetes}
---
apiVersion: portreeve.io/v1
kind: Environment
metadata: {name: prod-eu}
spec: {type: kubernetes, tier: production, group: production}
---
apiVersion: portreeve.io/v1
kind: RoleBinding
metadata: {name: shop-operators}
spec:
  role: operator
  subjects: {teams: [shop-leads]}
  scope: {environments: [prod-eu], namespaces: [shop]}
YAML

say "A registry, with its secret from standard input"
cat >"$folder/registry.yaml" <<'YAML'
apiVersion: portreeve.io/v1
kind: Registry
metadata: {name: harbor-prod}
spec:
  provider: harbor
  host: harbor.example.com
  path: shop
  credentials:
    - purpose: pull
      method: basic
      parameters: {username: robot$portreeve}
      expiresAt: 2036-01-01T00:00:00Z
      credentialFrom: {stdin: true}
YAML
printf 'the-robots-secret' | portreeve apply -y -f "$folder/registry.yaml"
portreeve get registries

say "Grant it to a namespace"
portreeve grant harbor-prod --environment prod-eu -n shop -y

say "A policy: look at its plan, then confirm exactly that"
cat >"$folder/policy.yaml" <<'YAML'
apiVersion: portreeve.io/v1
kind: RegistryPolicy
metadata: {name: prod-sources}
spec:
  groups: [production]
  access:
    - registry: harbor-prod
      namespaces: {names: [shop]}
  restrict:
    stage: deny
    allowedSources:
      - {prefix: harbor.example.com/shop, scope: Global, note: own images}
YAML
plan=$(portreeve plan -f "$folder/policy.yaml" -o name)
portreeve confirm "$plan" -y
portreeve get policies
portreeve drift -f "$folder/policy.yaml" --kind policies

say "Write everything down, without any secret"
portreeve export >"$folder/everything.yaml"
if grep -q the-robots-secret "$folder/everything.yaml"; then echo "a secret was exported" >&2; exit 1; fi
portreeve apply -y -f "$folder/everything.yaml"

say "The audit log says who did all that, and verifies without the server"
portreeve audit
portreeve audit export -o "$folder/audit.jsonl" --key-file "$folder/audit.pub"
stop
portreeve verify audit "$folder/audit.jsonl" --key-file "$folder/audit.pub"

say "A second control plane takes it all over"
export XDG_CONFIG_HOME="$folder/second/config" XDG_DATA_HOME="$folder/second/data"
[ -z "$database" ] || export PORTREEVE_SERVER_DATABASE="$database"
start second "$folder/second.link"
portreeve login "$server" --link-stdin <"$folder/second.link"
portreeve apply -y -f "$folder/everything.yaml"
portreeve export >"$folder/again.yaml"
cmp "$folder/everything.yaml" "$folder/again.yaml"
portreeve describe registry harbor-prod
printf 'the-robots-secret' | portreeve rotate registry harbor-prod --set --secret-stdin
stop
say "Both say the same"
