# Attaché in an image of its own: one static binary, the system's CA
# certificates, no shell, not root.
#
#	docker build -t attache .
#	docker run --rm -p 127.0.0.1:8080:8080 -v ./Caddyfile:/etc/attache/Caddyfile:ro attache
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -tags=nobadger,nomysql -ldflags="-s -w" -o /out/attache ./cmd/attache
# Volumes that are mounted here belong to the user below, as these do. PostgreSQL
# needs none of them, SQLite and the CA need /data.
RUN mkdir -p /out/tree/data /out/tree/config /out/tree/keys /out/tree/trust /out/tree/tmp /out/tree/etc/attache

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /out/tree /
COPY --from=build /out/attache /attache
ENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/config HOME=/data
USER 65532:65532
EXPOSE 8080
# Asks the proxy for its CA certificate, as a client would.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
	CMD ["/attache", "ca", "print", "--proxy", "http://127.0.0.1:8080"]
ENTRYPOINT ["/attache"]
CMD ["run", "--config", "/etc/attache/Caddyfile"]
