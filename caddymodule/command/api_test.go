package command

import (
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		in   string
		sign int
		want time.Time
	}{
		{"90m", 1, now.Add(90 * time.Minute)},
		{"90m", -1, now.Add(-90 * time.Minute)},
		{"30d", 1, now.Add(30 * 24 * time.Hour)},
		{"1.5d", -1, now.Add(-36 * time.Hour)},
		{"2026-12-31", 1, time.Date(2026, 12, 31, 0, 0, 0, 0, time.Local)},
		{"2026-12-31T18:00:00+01:00", 1, time.Date(2026, 12, 31, 17, 0, 0, 0, time.UTC)},
	} {
		if got, err := moment(tt.in, now, tt.sign); err != nil || !got.Equal(tt.want) {
			t.Errorf("moment(%q, %d) = %v, %v, want %v", tt.in, tt.sign, got, err, tt.want)
		}
	}
	for _, in := range []string{"", "d", "0d", "-1d", "-5m", "0s", "yesterday", "2026-02-30", "12", "1h1d", "NaNd", "99999999d"} {
		if got, err := moment(in, now, 1); err == nil {
			t.Errorf("moment(%q) = %v, want an error", in, got)
		}
	}
}
