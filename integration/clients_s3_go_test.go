package integration_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/minio-go/v7"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"
)

// framings notes how a client frames the bodies that it sends.
type framings struct {
	http.RoundTripper
	mu   sync.Mutex
	seen []string
}

func (f *framings) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.seen = append(f.seen, r.Header.Get("X-Amz-Content-Sha256"))
	f.mu.Unlock()
	return f.RoundTripper.RoundTrip(r)
}

// check fails the test unless the client framed a body so.
func (f *framings) check(t testing.TB, want string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.seen, want) {
		t.Errorf("the client sent bodies as %q, want one as %s: the test does not test", f.seen, want)
	}
}

// awsGo is the AWS SDK for Go with dummy keys, through a door.
func (x *s3) awsGo(c *http.Client, more ...func(*awss3.Options)) *awss3.Client {
	return awss3.New(awss3.Options{
		Region: "us-east-1", HTTPClient: c, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(dummyKey, dummySecret, ""),
	}, more...)
}

// minioGo is MinIO's client with dummy keys. Over plain HTTP, which reaches the
// proxy in absolute form, it signs the chunks of a body.
func (x *s3) minioGo(t testing.TB) (*minio.Client, *framings) {
	t.Helper()
	f := &framings{RoundTripper: x.goClient(t, false).Transport}
	c, err := minio.New(s3Host, &minio.Options{Creds: miniocreds.NewStaticV4(dummyKey, dummySecret, ""), Region: "us-east-1",
		BucketLookup: minio.BucketLookupPath, Transport: f, MaxRetries: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c, f
}

// The AWS SDK for Go, with HTTP/1.1 and HTTP/2 inside the tunnel.
func TestS3Go(t *testing.T) {
	x := newS3(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	byPath := func(o *awss3.Options) { o.UsePathStyle = true }
	for _, c := range []struct {
		name   string
		client *awss3.Client
	}{
		{"CONNECT, HTTP1 inside", x.awsGo(x.goClient(t, false))},
		{"CONNECT, HTTP2 inside", x.awsGo(x.goClient(t, true), byPath)},
		{"base URL", x.awsGo(x.plainClient(t), byPath, func(o *awss3.Options) { o.BaseEndpoint = aws.String(x.URL + "/aws-s3") })},
	} {
		t.Run(c.name, func(t *testing.T) {
			bucket := aws.String("go-" + strings.ToLower(strings.NewReplacer(", ", "-", " ", "-").Replace(c.name)))
			make := x.awsGo(x.goClient(t, false), byPath)
			if _, err := make.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: bucket}); err != nil {
				t.Fatal(err)
			}
			key := aws.String("odd/a b+c%20d/ключ")
			const size = 12 << 20
			_, err := c.client.PutObject(ctx, &awss3.PutObjectInput{Bucket: bucket, Key: key, Body: &pattern{size: size}, ContentLength: aws.Int64(size),
				ChecksumAlgorithm: types.ChecksumAlgorithmSha256, Metadata: map[string]string{"note": "two  words"}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: bucket, Key: key, ChecksumMode: types.ChecksumModeEnabled})
			if err != nil {
				t.Fatal(err)
			}
			sum := newChecksum()
			if n, err := io.Copy(sum, got.Body); err != nil || n != size || sum.Sum64() != patternSum(size) || got.Metadata["note"] != "two  words" {
				t.Errorf("read %d bytes, %v, metadata %v; want %d, unchanged", n, err, got.Metadata, size)
			}
			url, err := awss3.NewPresignClient(c.client).PresignGetObject(ctx, &awss3.GetObjectInput{Bucket: bucket, Key: key, Range: aws.String("bytes=8-15")})
			if err != nil {
				t.Fatal(err)
			}
			r, _ := http.NewRequestWithContext(ctx, url.Method, url.URL, nil)
			r.Header = url.SignedHeader.Clone()
			res, err := x.goClient(t, false).Do(r)
			if strings.HasPrefix(url.URL, x.URL) {
				res, err = x.plainClient(t).Do(r)
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := body(t, res); res.StatusCode != http.StatusPartialContent || s != "\x00\x00\x00\x00\x00\x00\x00\x01" {
				t.Errorf("a presigned range = %s %q", res.Status, s)
			}
		})
	}
}

// Bodies whose chunks are signed: each is signed anew, and the service takes no other.
func TestS3SignedChunks(t *testing.T) {
	x := newS3(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, sent := x.minioGo(t)
	if err := client.MakeBucket(ctx, "chunks", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{0, 1, 64 << 10, 64<<10 + 1, 200_000, 20 << 20} { // the last in parts
		_, err := client.PutObject(ctx, "chunks", "k", &pattern{size: size}, size, minio.PutObjectOptions{PartSize: 8 << 20})
		if err != nil {
			t.Fatalf("put %d bytes: %v", size, err)
		}
		checkObject(t, client, "chunks", "k", size)
	}
	sent.check(t, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")

	// With a signed trailer, as the AWS SDK for Java sends it over plain HTTP.
	// What a client signs with dummy keys is worth nothing, so any digits will do.
	const size = 200_000
	for _, c := range []struct {
		name, sum string
		want      int
	}{
		{"the right checksum", checksumCRC32C(size), http.StatusOK},
		{"a wrong checksum", checksumCRC32C(size + 1), http.StatusBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := trailerUpload(t, "http://"+s3Host+"/chunks/trailer", size, c.sum)
			res, err := x.goClient(t, false).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if s := body(t, res); res.StatusCode != c.want || strings.Contains(s, "Signature") {
				t.Errorf("an upload with a signed trailer = %s %s, want %d", res.Status, s, c.want)
			}
		})
	}
	checkObject(t, client, "chunks", "trailer", size)
}

// trailerUpload is the pattern in chunks of 64 KiB with a checksum in its
// trailer (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html).
func trailerUpload(t testing.TB, url string, size int64, sum string) *http.Request {
	t.Helper()
	b, data, chunk := &bytes.Buffer{}, &pattern{size: size}, make([]byte, 64<<10)
	signature := strings.Repeat("0", 64)
	for n := 1; n > 0; {
		n, _ = io.ReadFull(data, chunk)
		fmt.Fprintf(b, "%x;chunk-signature=%s\r\n%s", n, signature, chunk[:n])
		if n > 0 {
			b.WriteString("\r\n")
		}
	}
	fmt.Fprintf(b, "x-amz-checksum-crc32c:%s\r\nx-amz-trailer-signature:%s\r\n\r\n", sum, signature)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, b)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Encoding": "aws-chunked", "X-Amz-Trailer": "x-amz-checksum-crc32c", "X-Amz-Content-Sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
		"X-Amz-Decoded-Content-Length": fmt.Sprint(size), "X-Amz-Date": "20130524T000000Z",
		"Authorization": "AWS4-HMAC-SHA256 Credential=" + dummyKey + "/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-trailer, Signature=" + signature,
	} {
		r.Header.Set(name, value)
	}
	return r
}

// checksumCRC32C is the pattern's, as S3 writes it.
func checksumCRC32C(size int64) string {
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	io.Copy(sum, &pattern{size: size})
	return base64.StdEncoding.EncodeToString(sum.Sum(nil))
}

// checkObject reads an object and compares it to the pattern.
func checkObject(t testing.TB, c *minio.Client, bucket, key string, size int64) {
	t.Helper()
	o, err := c.GetObject(context.WithoutCancel(t.Context()), bucket, key, minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	sum := newChecksum()
	if n, err := io.Copy(sum, o); err != nil || n != size || sum.Sum64() != patternSum(size) {
		t.Errorf("read %d bytes, checksum %x, %v; want %d, %x", n, sum.Sum64(), err, size, patternSum(size))
	}
}

// mostChunkedGrowth is how much the proxy's memory may rise over an upload of
// any size whose chunks it signs anew.
const mostChunkedGrowth = 16 << 20 // bytes

// One GiB up and down in flat memory: with signed chunks, and as current SDKs
// send it over TLS, with an unsigned trailer.
func TestS3Large(t *testing.T) {
	x := newS3(t, func(_ *s3, s *setup) { s.Plain = true })
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	size := large() / 2
	signing, sent := x.minioGo(t)
	if err := signing.MakeBucket(ctx, "large", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	sdk := x.awsGo(x.goClient(t, false), func(o *awss3.Options) { o.UsePathStyle = true })
	for _, c := range []struct {
		name string
		put  func(size int64) error
	}{
		{"signed chunks", func(size int64) error {
			_, err := signing.PutObject(ctx, "large", "k", &pattern{size: size}, size, minio.PutObjectOptions{DisableMultipart: true})
			return err
		}},
		{"unsigned trailer", func(size int64) error {
			_, err := sdk.PutObject(ctx, &awss3.PutObjectInput{Bucket: aws.String("large"), Key: aws.String("k"), Body: &pattern{size: size}, ContentLength: aws.Int64(size)})
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.put(64 << 20); err != nil { // connections and buffers are there before we measure
				t.Fatal(err)
			}
			idle, _ := x.rss()
			resetPeak(t, x.cmd.Process.Pid)
			start := time.Now()
			if err := c.put(size); err != nil {
				t.Fatal(err)
			}
			took := time.Since(start)
			_, peak := x.rss()
			t.Logf("%d MiB up in %v, %.0f MiB/s; memory %d MiB before, %d MiB at most", size>>20, took.Round(time.Millisecond), float64(size>>20)/took.Seconds(), idle>>20, peak>>20)
			if grown := peak - idle; grown > mostChunkedGrowth {
				t.Errorf("the proxy's memory rose by %d MiB, want at most %d", grown>>20, mostChunkedGrowth>>20)
			}
			checkObject(t, signing, "large", "k", size)
		})
	}
	sent.check(t, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
}
