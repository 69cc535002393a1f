#!/bin/sh
# Makes the user that the service runs as. Nothing is started: the Caddyfile is to be
# looked at first (systemctl enable --now attache).
set -e
if ! getent group attache >/dev/null 2>&1; then
	groupadd --system attache 2>/dev/null || addgroup -S attache
fi
if ! getent passwd attache >/dev/null 2>&1; then
	useradd --system --gid attache --home-dir /var/lib/attache --shell /usr/sbin/nologin attache 2>/dev/null ||
		adduser -S -D -H -h /var/lib/attache -s /sbin/nologin -G attache attache
fi
chgrp attache /etc/attache/Caddyfile
if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
