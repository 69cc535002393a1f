package scrub

import (
	"mime"
	"strings"
)

// media is how a body of some type is searched.
type media uint8

const (
	opaque  media = iota // not at all
	lines                // as text of which no echo goes over a line end
	folded               // as text that may be wrapped, as MIME wraps base64
	unsure               // as lines, but it passes where it is compressed or of unknown length
	wrapped              // as text of which an echo may be wrapped over lines
)

// joinable is up to what length a text is also searched as one word, which takes as long
// again as all the rest.
const joinable = 256 << 10

// search is how a text of some type and length is searched. One whose length is known
// is waited for to its end, so that what is wrapped over lines can be found in it; JSON
// has no line ends within a text.
func (s *Set) search(kind media, length int64, contentType string) search {
	wraps := kind == wrapped || kind == lines && length >= 0 && length <= joinable &&
		!strings.Contains(strings.ToLower(contentType), "json") && !strings.HasPrefix(contentType, "text/event-stream")
	return search{set: s, lines: kind != folded && !wraps, wraps: wraps}
}

// known are types whose bytes are no text. Every other type is searched.
var known = map[string]bool{
	"application/zip": true, "application/gzip": true, "application/x-gzip": true, "application/zstd": true, "application/x-xz": true,
	"application/x-bzip2": true, "application/x-bzip": true, "application/x-tar": true, "application/x-7z-compressed": true,
	"application/x-rar-compressed": true, "application/vnd.rar": true, "application/java-archive": true, "application/x-lzip": true,
	"application/pdf": true, "application/wasm": true, "application/msword": true, "application/epub+zip": true,
	"application/grpc": true, "application/protobuf": true, "application/x-protobuf": true, "application/x-thrift": true,
	"application/vnd.google.protobuf": true, "application/cbor": true, "application/msgpack": true, "application/x-msgpack": true,
	"application/vnd.msgpack": true, "application/avro": true, "application/bson": true, "application/connect+proto": true, "application/proto": true,
	"application/vnd.apache.parquet": true, "application/vnd.apache.arrow.stream": true, "application/vnd.apache.arrow.file": true,
	"application/x-git-upload-pack-result": true, "application/x-git-packed-objects": true,
	"application/vnd.docker.image.rootfs.diff.tar.gzip": true, "application/vnd.kubernetes.protobuf": true, "application/vnd.amazon.eventstream": true,
	"application/dns-message": true, "application/ocsp-response": true, "application/pkix-cert": true, "application/pkix-crl": true,
	"application/vnd.sqlite3": true, "application/x-sqlite3": true, "application/x-shockwave-flash": true,
	"application/vnd.ms-powerpoint": true, "application/vnd.ms-word": true, "application/vnd.ms-outlook": true,
	"application/vnd.ms-fontobject": true, "application/vnd.ms-cab-compressed": true, "application/vnd.ms-project": true,
	"application/vnd.android.package-archive": true, "application/x-rpm": true, "application/vnd.debian.binary-package": true,
}

// textual reports a type of pictures or sounds that is text nevertheless: playlists,
// which repeat their query, and pictures written as numbers; or one that has a charset.
func textual(t string, params map[string]string) bool {
	if params["charset"] != "" {
		return true
	}
	for _, word := range []string{"mpegurl", "scpls", "playlist", "dash.mpd", "x-xpixmap", "x-xbitmap", "x-portable-", "vnd.dxf", "x-ms-asf", "x-ms-wax", "x-ms-wvx", "x-ms-asx"} {
		if strings.Contains(t, word) {
			return true
		}
	}
	return false
}

// mediaOf says how a body is searched by its Content-Type, which may be missing
// or no type at all.
func mediaOf(contentType string) media {
	switch contentType {
	case "", "application/json", "application/json; charset=utf-8", "text/event-stream", "text/plain; charset=utf-8", "text/html; charset=utf-8":
		return lines
	}
	if strings.Contains(contentType, ",") { // several types in one
		return lines
	}
	t, params, err := mime.ParseMediaType(contentType)
	if err != nil && t == "" {
		t, _, _ = strings.Cut(contentType, ";")
		t = strings.ToLower(strings.TrimSpace(t))
	}
	main, sub, typed := strings.Cut(t, "/")
	suffix := sub[strings.LastIndexByte(sub, '+')+1:]
	switch {
	case !typed || sub == "", strings.Contains(sub, "flat-xml"):
		return lines
	case suffix == "json", suffix == "xml", suffix == "yaml":
		return lines
	case suffix == "zip", suffix == "gzip", suffix == "zstd", suffix == "cbor", suffix == "proto", suffix == "protobuf", suffix == "thrift", suffix == "wasm":
		return opaque
	case main == "text" && folds(sub):
		return wrapped
	case textual(t, params):
		return lines
	case main == "image", main == "audio", main == "video", main == "font", known[t],
		strings.HasPrefix(t, "application/vnd.openxmlformats-"), strings.HasPrefix(t, "application/vnd.oasis.opendocument."):
		return opaque
	case sub == "octet-stream":
		return unsure
	case main == "multipart" && isStream(sub, params):
		return lines
	case main == "multipart", main == "message", t == "application/http", strings.Contains(sub, "pem"), strings.Contains(sub, "mbox"):
		return folded
	}
	return lines
}

// folds reports types whose lines are folded: calendars and cards (RFC 5545 §3.1, RFC
// 6350 §3.2). Nobody waits for their lines.
func folds(sub string) bool {
	switch sub {
	case "calendar", "x-vcalendar", "vcard", "x-vcard", "directory":
		return true
	}
	return false
}

// isStream reports a multipart body that comes part by part while a person
// waits: GraphQL's incremental delivery, and pushed replacements.
func isStream(sub string, params map[string]string) bool {
	return sub == "x-mixed-replace" || sub == "mixed" && (params["deferspec"] != "" || params["subscriptionspec"] != "" || params["boundary"] == "-" || params["boundary"] == "graphql")
}
