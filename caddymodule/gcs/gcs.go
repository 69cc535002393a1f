// Package gcs does with Google Cloud Storage what is done by hand elsewhere: URLs
// that are signed with a service account's key, and who may use a bucket.
package gcs

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/sign/sigv4"
)

// ErrKey is what a key file that cannot sign is refused with.
var ErrKey = errors.New("the service account's key file has no usable client_email and private_key")

// SignedURL signs u for one method until expires (V4, see
// https://cloud.google.com/storage/docs/access-control/signed-urls). The URL is
// one of the XML API: storage.googleapis.com/BUCKET/OBJECT or
// BUCKET.storage.googleapis.com/OBJECT. Headers are signed too; the caller of
// the URL must send them.
func SignedURL(keyFile string, u *url.URL, method string, header http.Header, expires time.Time) (string, error) {
	email, key, err := readKey(keyFile)
	if err != nil {
		return "", err
	}
	if err := object(u); err != nil {
		return "", err
	}
	now := time.Now()
	left := int(expires.Sub(now).Round(time.Second) / time.Second)
	if left < 1 || expires.Sub(now) > longest {
		return "", fmt.Errorf("the URL cannot be signed: it must be good for a second to %v", longest)
	}
	signed := *u
	signed.RawPath = sigv4.EncodePath(signed.Path) // the one spelling that the service signs
	r := &http.Request{Method: method, URL: &signed, Host: u.Host, Header: header.Clone()}
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, strings.ToLower(name))
	}
	err = sigv4.Presign(r, sigv4.Options{
		RSA: key, Keys: sigv4.Keys{ID: email}, Hash: sigv4.Unsigned, PathOnce: true, PathAsIs: true, SignedHeaders: names,
		Scope: sigv4.Scope{Scheme: sigv4.Schemes["google"], Region: "auto", Service: "storage", Time: now},
	}, left)
	if err != nil {
		return "", ErrKey
	}
	return signed.String(), nil
}

// longest is for how long a signed URL may be good.
const longest = 7 * 24 * time.Hour

func readKey(file string) (email string, key *rsa.PrivateKey, err error) {
	var k struct {
		Email   string `json:"client_email"`
		Private string `json:"private_key"`
	}
	if err := json.Unmarshal([]byte(file), &k); err != nil || k.Email == "" {
		return "", nil, ErrKey
	}
	block, _ := pem.Decode([]byte(k.Private))
	if block == nil {
		return "", nil, ErrKey
	}
	if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		key, _ = parsed.(*rsa.PrivateKey)
	} else if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
		return "", nil, ErrKey
	}
	if key == nil {
		return "", nil, ErrKey
	}
	return k.Email, key, nil
}

// Host is where the XML and the JSON API are.
const Host = "storage.googleapis.com"

// object refuses URLs that name none of the XML API. Any other host than Google's
// is that of an emulator, which has its buckets in the path.
func object(u *url.URL) error {
	path := strings.TrimPrefix(u.Path, "/")
	if strings.HasSuffix(strings.ToLower(u.Host), "."+Host) {
		if path == "" {
			return errors.New("the URL names no object")
		}
		return nil
	}
	switch bucket, object, _ := strings.Cut(path, "/"); {
	case bucket == "storage" || bucket == "upload" || bucket == "batch":
		return errors.New("URLs of the JSON API cannot be presigned; write https://" + Host + "/BUCKET/OBJECT")
	case bucket == "" || object == "":
		return errors.New("the URL names no bucket and object")
	}
	return nil
}
