#!/bin/sh
# Stops the service when the package goes, not when it is replaced. The vault and its
# key in /var/lib/attache stay: they are nobody's to delete but the operator's.
set -e
case "${1:-}" in
upgrade | 1) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then systemctl disable --now attache >/dev/null 2>&1 || true; fi
