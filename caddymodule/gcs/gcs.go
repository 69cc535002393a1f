// Package gcs does with Google Cloud Storage what needs Google's own library:
// URLs that are signed with a service account's key, and who may use a bucket.
// The library is large, and nothing else imports it.
package gcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/storage"
)

// ErrKey is what a key file that cannot sign is refused with.
var ErrKey = errors.New("the service account's key file has no usable client_email and private_key")

// SignedURL signs u for one method until expires (V4, see
// https://cloud.google.com/storage/docs/access-control/signed-urls). The URL is
// one of the XML API: storage.googleapis.com/BUCKET/OBJECT or
// BUCKET.storage.googleapis.com/OBJECT. Headers are signed too; the caller of
// the URL must send them.
func SignedURL(keyFile string, u *url.URL, method string, header http.Header, expires time.Time) (string, error) {
	var key struct {
		Email   string `json:"client_email"`
		Private string `json:"private_key"`
	}
	if err := json.Unmarshal([]byte(keyFile), &key); err != nil || key.Email == "" || key.Private == "" {
		return "", ErrKey
	}
	bucket, object, style, err := locate(u)
	if err != nil {
		return "", err
	}
	o := &storage.SignedURLOptions{
		GoogleAccessID: key.Email, PrivateKey: []byte(key.Private), Method: method,
		Expires: expires.Add(500 * time.Millisecond), // the library rounds down what is left
		Scheme:  storage.SigningSchemeV4, Style: style, QueryParameters: u.Query(), Insecure: u.Scheme == "http",
	}
	if style == nil {
		o.Style, o.Hostname = storage.PathStyle(), u.Host
	}
	for name, values := range header {
		switch http.CanonicalHeaderKey(name) {
		case "Content-Type":
			o.ContentType = strings.Join(values, ",")
		case "Content-Md5":
			o.MD5 = strings.Join(values, ",")
		default:
			o.Headers = append(o.Headers, name+":"+strings.Join(values, ","))
		}
	}
	slices.Sort(o.Headers)
	signed, err := storage.SignedURL(bucket, object, o)
	if err != nil { // may quote the key
		return "", fmt.Errorf("the URL cannot be signed: %w", harmless(err))
	}
	return signed, nil
}

// Host is where the XML and the JSON API are.
const Host = "storage.googleapis.com"

// locate finds bucket and object. The style is nil where the URL's own host is
// to stay, as with an emulator.
func locate(u *url.URL) (bucket, object string, style storage.URLStyle, err error) {
	path := strings.TrimPrefix(u.Path, "/")
	host := strings.ToLower(u.Host)
	if name, ok := strings.CutSuffix(host, "."+Host); ok {
		if path == "" {
			return "", "", nil, errors.New("the URL names no object")
		}
		return name, path, storage.VirtualHostedStyle(), nil
	}
	bucket, object, _ = strings.Cut(path, "/")
	if bucket == "storage" || bucket == "upload" || bucket == "batch" {
		return "", "", nil, errors.New("URLs of the JSON API cannot be presigned; write https://" + Host + "/BUCKET/OBJECT")
	}
	if bucket == "" || object == "" {
		return "", "", nil, errors.New("the URL names no bucket and object")
	}
	if host == Host {
		style = storage.PathStyle()
	}
	return bucket, object, style, nil
}

// harmless keeps what the library says of the request, and drops what it says
// of the key.
func harmless(err error) error {
	if text := err.Error(); strings.HasPrefix(text, "storage: ") && !strings.Contains(strings.ToLower(text), "key") {
		return errors.New(strings.TrimPrefix(text, "storage: "))
	}
	return ErrKey
}
