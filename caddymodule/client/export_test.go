package client

// Mozilla is what is taken where the system has no roots.
func Mozilla() *Roots {
	r := new(Roots)
	r.addMozilla()
	return r
}
