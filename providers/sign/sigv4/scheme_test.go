package sigv4

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A key that was kept is the one that would be made, and what it depends on tells
// keys apart; what is kept is bounded, whatever agents name.
func TestDerivedKeys(t *testing.T) {
	aws := Scheme{KeyPrefix: "AWS4", End: "aws4_request"}
	at := time.Date(2026, 11, 29, 23, 59, 59, 0, time.UTC)
	made := map[string]string{}
	for _, c := range []struct {
		name string
		keys Keys
		at   Scope
	}{
		{"one", Keys{Secret: "secret"}, Scope{aws, "us-east-1", "s3", at}},
		{"another secret", Keys{Secret: "secret2"}, Scope{aws, "us-east-1", "s3", at}},
		{"another region", Keys{Secret: "secret"}, Scope{aws, "eu-west-1", "s3", at}},
		{"another service", Keys{Secret: "secret"}, Scope{aws, "us-east-1", "sqs", at}},
		{"the next day", Keys{Secret: "secret"}, Scope{aws, "us-east-1", "s3", at.Add(time.Second)}},
		{"the same day a year later", Keys{Secret: "secret"}, Scope{aws, "us-east-1", "s3", at.AddDate(1, 0, 0)}},
		{"another scheme", Keys{Secret: "secret"}, Scope{Scheme{KeyPrefix: "GOOG4", End: "goog4_request"}, "us-east-1", "s3", at}},
		{"region and service cut elsewhere", Keys{Secret: "secret"}, Scope{aws, "us-east-1s", "3", at}},
		{"a long region", Keys{Secret: "secret"}, Scope{aws, strings.Repeat("r", 4096), "s3", at}},
	} {
		want := mac(mac(mac(mac([]byte(c.at.Scheme.KeyPrefix+c.keys.Secret), c.at.Time.Format("20060102")), c.at.Region), c.at.Service), c.at.Scheme.End)
		for range 2 { // made, and kept
			if got := derive(c.keys, c.at).key; !bytes.Equal(got, want) {
				t.Errorf("%s: %x, want %x", c.name, got, want)
			}
		}
		if same := made[string(want)]; same != "" {
			t.Errorf("%s has the key of %s", c.name, same)
		}
		made[string(want)] = c.name
	}
	if elsewhere := at.In(time.FixedZone("east", 8*3600)); !bytes.Equal(derive(Keys{Secret: "secret"}, Scope{aws, "us-east-1", "s3", elsewhere}).key, derive(Keys{Secret: "secret"}, Scope{aws, "us-east-1", "s3", at}).key) {
		t.Error("the day is not UTC's")
	}
	for i := range 3 * maxDerived {
		derive(Keys{Secret: "secret"}, Scope{aws, fmt.Sprint("region-", i), "s3", at})
	}
	if n := len(derived.m); n > maxDerived {
		t.Errorf("%d keys are kept, at most %d are wanted", n, maxDerived)
	}
	for of := range derived.m {
		if len(of.region) > maxDerivedName {
			t.Errorf("a region of %d bytes is kept", len(of.region))
		}
	}
}
