package client

// Mozilla is what is taken where the system has no roots.
func Mozilla() *Roots {
	r := new(Roots)
	r.addMozilla()
	return r
}

// TrustNames are the variables that docs/clients.md must name.
func TrustNames() (names []string) {
	for _, v := range trustVariables {
		names = append(names, v.name)
	}
	return names
}
