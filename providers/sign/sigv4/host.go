package sigv4

import (
	"regexp"
	"slices"
	"strings"
)

// Endpoint is what a host name of AWS tells about the signature that it wants.
type Endpoint struct {
	Service string // as it is signed, which is not always as in the name
	Region  string // "*" for Signature Version 4A
	// Explicit means that the name holds the region. It is else the one that
	// global services of the partition sign with.
	Explicit bool
}

// partitions are the suffixes of AWS's host names, longest first where one ends
// with another, and the region that names without one are signed with.
// https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
var partitions = []struct{ suffix, region string }{
	{".amazonaws.com.cn", "cn-north-1"},
	{".api.amazonwebservices.com.cn", "cn-north-1"},
	{".amazonaws.com", "us-east-1"},
	{".api.aws", "us-east-1"},
	{".on.aws", "us-east-1"},
	{".amazonaws.eu", "eusc-de-east-1"},
	{".api.amazonwebservices.eu", "eusc-de-east-1"},
	{".c2s.ic.gov", "us-iso-east-1"},
	{".api.aws.ic.gov", "us-iso-east-1"},
	{".api.aws.scloud", "us-isob-east-1"},
	{".api.cloud-aws.adc-e.uk", "eu-isoe-west-1"},
	{".api.aws.hci.ic.gov", "us-isof-south-1"},
	{".sc2s.sgov.gov", "us-isob-east-1"},
	{".cloud.adc-e.uk", "eu-isoe-west-1"},
	{".csp.hci.ic.gov", "us-isof-south-1"},
}

// regionName has the shape of a region of any partition.
var regionName = regexp.MustCompile(`^(us|eu|ap|sa|ca|me|af|il|mx|cn|us-gov|us-iso[a-z]?|eu-iso[a-z]?|eusc)-[a-z]+(-[a-z]+)?-\d{1,2}$`)

// signingNames are services that sign with another name than their hosts have.
var signingNames = map[string]string{
	"email": "ses", "queue": "sqs", "appstream2": "appstream",
	"bedrock-runtime": "bedrock", "bedrock-agent": "bedrock", "bedrock-agent-runtime": "bedrock", "bedrock-data-automation": "bedrock",
	"bedrock-data-automation-runtime": "bedrock", "bedrock-agentcore-control": "bedrock-agentcore",
	"s3-accesspoint": "s3", "s3-control": "s3", "s3-global": "s3", "s3-external-1": "s3", "s3-accelerate": "s3",
	"s3express-control": "s3express",
	"lambda-url":        "lambda", "transcribestreaming": "transcribe", "pinpoint": "mobiletargeting",
	"marketplace": "aws-marketplace", "personalize-runtime": "personalize", "personalize-events": "personalize",
	"forecastquery": "forecast", "servicecatalog-appregistry": "servicecatalog", "aps-workspaces": "aps",
	"runtime-v2-lex": "lex", "models-v2-lex": "lex", "models.lex": "lex", "runtime.lex": "lex",
	"appconfigdata": "appconfig", "appsync-api": "appsync", "appsync-realtime-api": "appsync", "backupstorage": "backup-storage",
	"cloudhsmv2": "cloudhsm", "contact-lens": "connect", "participant.connect": "execute-api", "memory-db": "memorydb",
	"identity-chime": "chime", "meetings-chime": "chime", "messaging-chime": "chime", "media-pipelines-chime": "chime", "voice-chime": "chime",
	"oidc": "awsssooidc", "portal.sso": "awsssoportal", "mturk-requester-sandbox": "mturk-requester", "neptune": "neptune-db", "sms-voice.pinpoint": "sms-voice",
	"iam-govcloud": "iam", "api.fleethub.iot": "iotfleethub", "greengrass-ats.iot": "greengrass",
	"data.iot": "iotdata", "data.jobs.iot": "iot-jobs-data", "data.iotevents": "ioteventsdata", "api.tunneling.iot": "IoTSecuredTunneling",
}

// ParseHost reads service and region from a host name, without port, of AWS.
// It reports false for other hosts.
func ParseHost(host string) (Endpoint, bool) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, p := range partitions {
		rest, ok := strings.CutSuffix(host, p.suffix)
		if !ok || rest == "" {
			continue
		}
		e := parseLabels(strings.Split(rest, "."), p.region)
		return e, e.Service != ""
	}
	return Endpoint{}, false
}

// parseLabels finds the region among the labels before the suffix, searching
// from the right since a bucket may be called like a region.
func parseLabels(labels []string, global string) Endpoint {
	if n := len(labels); n > 1 && labels[n-1] == "vpce" { // vpce-id.service.region.vpce
		labels = labels[:n-1]
	}
	at := -1
	for i := len(labels) - 1; i >= 0 && at < 0; i-- {
		if regionName.MatchString(labels[i]) {
			at = i
		}
	}
	switch {
	case at == 0 && len(labels) == 1:
		return Endpoint{}
	case at < 0:
		return withoutRegion(labels, global)
	case at == len(labels)-2 && labels[at+1] != "s3": // domain.region.es, region.queue
		return Endpoint{signingName(labels[at+1:]), labels[at], true}
	case at < len(labels)-1:
		return withoutRegion(labels, global)
	}
	before := labels[:at]
	for len(before) > 0 && (before[len(before)-1] == "dualstack" || before[len(before)-1] == "fips") {
		before = before[:len(before)-1]
	}
	if len(before) == 0 {
		return Endpoint{}
	}
	return Endpoint{signingName(before), labels[at], true}
}

// withoutRegion reads the names of global services and S3's older ones.
func withoutRegion(labels []string, global string) Endpoint {
	last := labels[len(labels)-1]
	switch region, legacy := strings.CutPrefix(last, "s3-"); {
	case last == "s3-global":
		return Endpoint{"s3", "*", true}
	case legacy && regionName.MatchString(region): // s3-us-west-2
		return Endpoint{"s3", region, true}
	case legacy && strings.HasPrefix(region, "fips-") && regionName.MatchString(region[5:]):
		return Endpoint{"s3", region[5:], true}
	case last == "us-gov" && len(labels) > 1: // iam.us-gov
		return Endpoint{signingName(labels[:len(labels)-1]), "us-gov-west-1", false}
	case last == "dualstack" && len(labels) > 1:
		labels = labels[:len(labels)-1]
	}
	name := signingName(labels)
	switch {
	case last == "iam-govcloud":
		global = "us-gov-west-1"
	case name == "globalaccelerator":
		global = "us-west-2"
	case global == "cn-north-1" && slices.Contains([]string{"route53", "organizations", "budgets", "health"}, name):
		global = "cn-northwest-1"
	}
	return Endpoint{name, global, false}
}

// signingName is the service that the last labels name.
func signingName(labels []string) string {
	trimmed := make([]string, len(labels))
	for i, l := range labels {
		trimmed[i] = strings.TrimPrefix(strings.TrimSuffix(l, "-fips"), "fips-")
	}
	last := trimmed[len(trimmed)-1]
	for n := len(trimmed); n > 0; n-- { // data.jobs.iot before jobs.iot before iot
		if name, ok := signingNames[strings.Join(trimmed[len(trimmed)-n:], ".")]; ok {
			return name
		}
	}
	switch {
	case last == "iot" && len(trimmed) > 1 && strings.HasSuffix(trimmed[len(trimmed)-2], "-ats"):
		return "iotdata"
	case strings.HasPrefix(last, "s3express-"): // s3express-use1-az4
		return "s3express"
	case strings.HasPrefix(last, "s3-") && regionName.MatchString(last[3:]):
		return "s3"
	}
	return last
}

// DeviceGateway is the service of MQTT over WebSocket at AWS IoT. Its URLs are
// presigned without their session token, which is appended.
// https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html#mqtt-ws
const DeviceGateway = "iotdevicegateway"

// PathOnce reports whether service signs the path as S3 does: decoded, encoded
// once, and with its dots and slashes as they are.
func PathOnce(service string) bool {
	switch service {
	case "s3", "s3express", "s3-object-lambda", "s3-outposts", "storage":
		return true
	}
	return false
}

// Signed is what a request tells that was signed before, with whatever keys: an
// SDK knows best which service and headers it means.
type Signed struct {
	Algorithm, Region, Service string
	Headers                    []string // lower-case
}

// ParseAuthorization reads an Authorization header of this family. It reports
// false for others.
func ParseAuthorization(value string) (Signed, bool) {
	algorithm, rest, ok := strings.Cut(strings.TrimSpace(value), " ")
	if !ok || !strings.HasSuffix(algorithm, "-SHA256") {
		return Signed{}, false
	}
	a := Signed{Algorithm: algorithm}
	for part := range strings.SplitSeq(rest, ",") {
		name, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			a.Region, a.Service = scopeParts(v)
		case "SignedHeaders":
			a.Headers = strings.Split(strings.ToLower(v), ";")
		}
	}
	return a, a.Headers != nil
}

// scopeParts reads region and service from key/day/region/service/end, where 4A
// has no region.
func scopeParts(credential string) (region, service string) {
	parts := strings.Split(credential, "/")
	if n := len(parts); n >= 4 {
		service = parts[n-2]
		if len(parts[n-3]) != len(dayLayout) || strings.Trim(parts[n-3], "0123456789") != "" {
			region = parts[n-3]
		}
	}
	return region, service
}

// ParsePresigned reads the parameters of a presigned URL; title is X-Amz- or
// the like. It reports false for other queries.
func ParsePresigned(params map[string]string, title string) (Signed, bool) {
	credential, algorithm := params[title+"Credential"], params[title+"Algorithm"]
	if credential == "" || algorithm == "" {
		return Signed{}, false
	}
	a := Signed{Algorithm: algorithm, Headers: strings.Split(strings.ToLower(params[title+"SignedHeaders"]), ";")}
	a.Region, a.Service = scopeParts(credential)
	return a, true
}
