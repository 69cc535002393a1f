package find_test

import (
	"strings"
	"testing"

	"github.com/attache-proxy/attache/caddymodule/admin/api/find"
)

var services = []find.Entry{
	{Key: "github", Title: "GitHub", Hosts: []string{"api.github.com", "github.com"}, Category: "developer"},
	{Key: "gitlab", Title: "GitLab", Hosts: []string{"gitlab.com"}, Category: "developer"},
	{Key: "google-calendar", Title: "Google Calendar", Aliases: []string{"gcal"}, Hosts: []string{"www.googleapis.com/calendar"}},
	{Key: "google-drive", Title: "Google Drive", Aliases: []string{"gdrive"}, Hosts: []string{"www.googleapis.com/drive"}},
	{Key: "zendesk", Title: "Zendesk", Hosts: []string{"{fields.subdomain}.zendesk.com"}, Category: "support"},
	{Key: "x", Title: "X", Aliases: []string{"Twitter"}, Hosts: []string{"api.x.com"}},
	{Key: "s3", Title: "Amazon S3", Aliases: []string{"AWS S3"}, Hosts: []string{"*.amazonaws.com"}},
	{Key: "hubspot", Title: "HubSpot", Hosts: []string{"api.hubapi.com"}},
}

// best is the key of the entry that fits best, or "".
func best(q string) string {
	key, most := "", 0
	for _, e := range services {
		if n, _ := e.Rank(q); n > most {
			key, most = e.Key, n
		}
	}
	return key
}

func TestRank(t *testing.T) {
	for q, want := range map[string]string{
		"github": "github", "GitHub": "github", "git hub": "github", "gihtub": "github", "githib": "github", "githb": "github", "guthub": "github",
		"gogle calender": "google-calendar", "googel calendar": "google-calendar", "calendar": "google-calendar", "gcal": "google-calendar", "google drive": "google-drive", "gdrve": "google-drive",
		"twitter": "x", "twiter": "x", "zendesk": "zendesk", "zendsk": "zendesk", "hub": "hubspot", "hubspt": "hubspot",
		"api.github.com": "github", "https://api.github.com/user": "github", "acme.zendesk.com": "zendesk", "zendesk.com": "zendesk", "bucket.s3.eu-west-1.amazonaws.com": "s3", "api.hubapi.com:443": "hubspot",
		"support": "zendesk", "aws s3": "s3", "s3": "s3",
		"": "", "   ": "", "???": "", "qqqqqq": "", "nothing.example": "", "e": "",
	} {
		if got := best(q); got != want {
			t.Errorf("%q finds %q, want %q", q, got, want)
		}
	}
}

// What is long or strange costs nothing and finds nothing.
func TestRankBounds(t *testing.T) {
	for _, q := range []string{strings.Repeat("github", 20_000), strings.Repeat("\u202e", 1000), "\x00\xff", strings.Repeat("a.", 5000)} {
		if got := best(q); got != "" {
			t.Errorf("%.20q finds %q", q, got)
		}
	}
}
