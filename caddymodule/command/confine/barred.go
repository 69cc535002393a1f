package confine

import (
	"fmt"
	"net/netip"
	"slices"
)

// canary is the name by which Firefox is told to leave names to the system.
const canary = "use-application-dns.net"

// barredPorts are refused whatever the proxy would say: no proxy can say there what a
// client may do.
var barredPorts = map[uint16]string{
	22:  "SSH (port 22) is not passed on: git and the like go over HTTPS, for which the proxy has credentials",
	25:  "mail (port 25) is not passed on",
	445: "Windows shares (port 445) are not passed on",
	139: "Windows shares (port 139) are not passed on",
	853: "DNS over TLS (port 853) is not passed on: names are known here",
}

// resolvers answer questions over HTTPS (DoH), by their names and addresses. Who asked
// them would go round the names of the run, and could say there whatever it likes.
var resolvers = []string{
	"dns.google", "dns.google.com", "8888.google", "dns64.dns.google",
	"cloudflare-dns.com", "one.one.one.one", "1dot1dot1dot1.cloudflare-dns.com", "mozilla.cloudflare-dns.com", "chrome.cloudflare-dns.com", "security.cloudflare-dns.com", "family.cloudflare-dns.com", "dns.cloudflare.com",
	"dns.quad9.net", "dns9.quad9.net", "dns10.quad9.net", "dns11.quad9.net",
	"doh.opendns.com", "doh.familyshield.opendns.com", "dns.umbrella.com", "doh.umbrella.com",
	"dns.adguard.com", "dns.adguard-dns.com", "dns-family.adguard.com", "unfiltered.adguard-dns.com",
	"dns.nextdns.io", "chromium.dns.nextdns.io", "firefox.dns.nextdns.io", "doh.cleanbrowsing.org", "freedns.controld.com", "dns.controld.com",
	"doh.dns.sb", "dns.sb", "dns.alidns.com", "doh.pub", "dns.pub", "doh.360.cn", "doh.li", "dns.mullvad.net", "doh.mullvad.net", "adblock.doh.mullvad.net",
	"dns.digitale-gesellschaft.ch", "doh.libredns.gr", "dns.switch.ch", "doh.xfinity.com", "dns.twnic.tw", "doh.applied-privacy.net", "dns0.eu", "zero.dns0.eu", "dns.njal.la", "base.dns.mullvad.net", "public.dns.iij.jp", "jp.tiar.app", "ordns.he.net", "doh.ffmuc.net", "dns.bebasid.com",
	"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "1.1.1.2", "1.0.0.2", "1.1.1.3", "1.0.0.3", "9.9.9.9", "149.112.112.112", "9.9.9.10", "9.9.9.11", "208.67.222.222", "208.67.220.220", "94.140.14.14", "94.140.15.15", "45.90.28.0", "45.90.30.0", "185.228.168.9", "76.76.2.0", "76.76.10.0", "223.5.5.5", "223.6.6.6", "119.29.29.29", "194.242.2.2",
	"2001:4860:4860::8888", "2001:4860:4860::8844", "2606:4700:4700::1111", "2606:4700:4700::1001", "2620:fe::fe", "2620:fe::9", "2620:119:35::35", "2620:119:53::53",
}

// barred is why a connection is refused without asking the proxy; nil where it is not.
func barred(name string, to netip.AddrPort) *refusal {
	if why, ok := barredPorts[to.Port()]; ok {
		return &refusal{"port_refused", why}
	}
	if name == "" {
		name = to.Addr().Unmap().WithZone("").String()
	}
	if slices.Contains(resolvers, name) {
		return &refusal{"resolver_refused", fmt.Sprintf("%s answers questions for names (DNS over HTTPS); names are known here", name)}
	}
	return nil
}

// clientFirst are ports on which clients speak first, so that what they say decides.
func clientFirst(port uint16) bool {
	switch port {
	case 80, 443, 8000, 8080, 8443, 3000, 5000, 8888:
		return true
	}
	return false
}
