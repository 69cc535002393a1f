package sign

import (
	"maps"
	"slices"
)

// Words are what may stand alone after `sign:`, beside the kinds.
func Words() []string { return slices.Sorted(maps.Keys(words)) }

// PlaceKeys are the keys of a map under `sign:`, beside the kinds.
func PlaceKeys() []string { return slices.Sorted(maps.Keys(specKeys)) }

// KindNames are the signers with a name of their own.
func KindNames() []string { return slices.Sorted(maps.Keys(kinds)) }
