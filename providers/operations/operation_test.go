package operations

import "testing"

func TestEffects(t *testing.T) {
	for e := Unknown; e <= Money; e++ {
		if got, err := ParseEffect(e.String()); got != e || err != nil {
			t.Errorf("%d is called %q, which reads as %d, %v", e, e, got, err)
		}
	}
	if Effect(77).String() != "unknown" {
		t.Error("an effect that is none is not unknown")
	}
	if _, err := ParseEffect("Read"); err == nil {
		t.Error("Read is an effect")
	}
}
