#!/usr/bin/env bash
# Install the pinned Claude Code CLI for tests, once, and print the path of its binary.
#
# The version stands in refresher/package.json alone; package-lock.json holds what npm
# must find. No install script runs: the platform's package holds the binary itself.
set -euo pipefail

here=$(cd "$(dirname "$0")/../../refresher" && pwd)
version=$(sed -n 's|.*claude-code-linux-x64": "\(.*\)".*|\1|p' "$here/package.json")
directory=${XDG_CACHE_HOME:-$HOME/.cache}/claude-code-proxy/claude-cli-$version

binary() {
    find "$directory/node_modules/@anthropic-ai" -path '*/claude-code-linux-*/claude' \
        -type f 2>/dev/null | head -n 1
}

mkdir -p "$directory"
exec 9> "$directory/.lock"
flock 9  # another run may be installing
if [ -z "$(binary)" ]; then
    cp "$here/package.json" "$here/package-lock.json" "$directory/"
    npm ci --ignore-scripts --no-audit --no-fund --prefix "$directory" >&2
fi
found=$("$(binary)" --version)
case $found in
    "$version "*) binary ;;
    *) echo "expected the CLI $version, found: $found" >&2; exit 1 ;;
esac
