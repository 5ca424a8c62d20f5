#!/usr/bin/env bash
# Shows that the import rule of .golangci.yml fires: a small module that breaks each line of it is linted, and every
# breach has to be reported. A rule that nobody saw failing may match no file at all.
set -euo pipefail
cd "$(dirname "$0")/.."
lint=$(go tool -modfile=tools/go.mod -n golangci-lint)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp .golangci.yml "$dir/"
printf 'module github.com/odziv/odziv\n\ngo 1.26\n' >"$dir/go.mod"
cd "$dir"

# package of the file, folder, and what it imports
breaks() {
  cat <<'LIST'
survey survey github.com/odziv/odziv/store
twilio channels/twilio github.com/odziv/odziv/dispatch
templates templates github.com/odziv/odziv/channels
auth auth github.com/odziv/odziv/store
dispatch dispatch github.com/odziv/odziv/web
web web github.com/odziv/odziv/store
api web/api database/sql
webhooks webhooks github.com/odziv/odziv/store
console web/console github.com/hibiken/asynq
dispatch dispatch github.com/gofiber/fiber/v2
smtp channels/smtp log
LIST
}

n=0
while read -r pkg folder import; do
  n=$((n + 1))
  mkdir -p "$folder"
  printf 'package %s\n\nimport _ "%s"\n' "$pkg" "$import" >"$folder/breach$n.go"
done < <(breaks)
for folder in store channels; do # imported above; these break nothing
  mkdir -p "$folder"
  printf 'package %s\n' "$folder" >"$folder/fine.go"
done

report=$("$lint" run --enable-only depguard --max-issues-per-linter 0 --max-same-issues 0 ./... 2>&1 || true)
missed=0 n=0
while read -r _ folder import; do
  n=$((n + 1))
  if ! grep -q "^$folder/breach$n.go:.*depguard" <<<"$report"; then
    echo "not caught: $folder imports $import"
    missed=1
  fi
done < <(breaks)
if grep -q '/fine.go:.*depguard' <<<"$report"; then
  echo "caught without a reason: a file that imports nothing"
  missed=1
fi
if [ "$missed" = 1 ]; then
  echo "$report"
  exit 1
fi
echo "the import rule caught all $n breaches"
