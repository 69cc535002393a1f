package sigv4_test

import (
	"testing"

	"github.com/attache-proxy/attache/providers/sign/sigv4"
)

func TestParseHost(t *testing.T) {
	tests := []struct {
		host, service, region string
		explicit              bool
	}{
		{"s3.amazonaws.com", "s3", "us-east-1", false},
		{"examplebucket.s3.amazonaws.com", "s3", "us-east-1", false},
		{"S3.EU-West-1.amazonaws.com.", "s3", "eu-west-1", true},
		{"my.bucket.s3.eu-central-1.amazonaws.com", "s3", "eu-central-1", true},
		{"us-west-2.s3.amazonaws.com", "s3", "us-east-1", false},
		{"us-west-2.s3.eu-central-1.amazonaws.com", "s3", "eu-central-1", true},
		{"s3-us-west-2.amazonaws.com", "s3", "us-west-2", true},
		{"bucket.s3-us-west-2.amazonaws.com", "s3", "us-west-2", true},
		{"s3.dualstack.us-west-2.amazonaws.com", "s3", "us-west-2", true},
		{"bucket.s3.dualstack.us-west-2.amazonaws.com", "s3", "us-west-2", true},
		{"s3-fips.us-gov-west-1.amazonaws.com", "s3", "us-gov-west-1", true},
		{"bucket.s3-fips.dualstack.us-east-2.amazonaws.com", "s3", "us-east-2", true},
		{"s3-fips-us-gov-west-1.amazonaws.com", "s3", "us-gov-west-1", true},
		{"bucket.s3-accelerate.amazonaws.com", "s3", "us-east-1", false},
		{"bucket.s3-accelerate.dualstack.amazonaws.com", "s3", "us-east-1", false},
		{"ap-123456789012.s3-accesspoint.us-west-2.amazonaws.com", "s3", "us-west-2", true},
		{"ap-123456789012.s3-accesspoint-fips.dualstack.us-west-2.amazonaws.com", "s3", "us-west-2", true},
		{"ap-123456789012.op-1.123456789012.s3-outposts.us-west-2.amazonaws.com", "s3-outposts", "us-west-2", true},
		{"ap-123456789012.s3-object-lambda.us-west-2.amazonaws.com", "s3-object-lambda", "us-west-2", true},
		{"123456789012.s3-control.us-west-2.amazonaws.com", "s3", "us-west-2", true},
		{"b--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com", "s3express", "us-east-1", true},
		{"s3express-control.us-east-1.amazonaws.com", "s3express", "us-east-1", true},
		{"mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com", "s3", "*", true},
		{"bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com", "s3", "us-east-1", true},
		{"s3.cn-north-1.amazonaws.com.cn", "s3", "cn-north-1", true},
		{"bucket.s3.cn-northwest-1.amazonaws.com.cn", "s3", "cn-northwest-1", true},
		{"dynamodb.us-east-1.amazonaws.com", "dynamodb", "us-east-1", true},
		{"streams.dynamodb.us-east-1.amazonaws.com", "dynamodb", "us-east-1", true},
		{"123456789012.ddb.us-east-1.amazonaws.com", "ddb", "us-east-1", true},
		{"bedrock-runtime.us-west-2.amazonaws.com", "bedrock", "us-west-2", true},
		{"bedrock-runtime-fips.us-west-2.amazonaws.com", "bedrock", "us-west-2", true},
		{"bedrock-agent-runtime.eu-west-1.amazonaws.com", "bedrock", "eu-west-1", true},
		{"email.eu-west-1.amazonaws.com", "ses", "eu-west-1", true},
		{"sqs.eu-west-1.amazonaws.com", "sqs", "eu-west-1", true},
		{"queue.amazonaws.com", "sqs", "us-east-1", false},
		{"eu-west-1.queue.amazonaws.com", "sqs", "eu-west-1", true},
		{"sqs.us-east-1.api.aws", "sqs", "us-east-1", true},
		{"lambda-fips.us-east-1.api.aws", "lambda", "us-east-1", true},
		{"abcdef.lambda-url.us-east-1.on.aws", "lambda", "us-east-1", true},
		{"abc123.execute-api.us-east-1.amazonaws.com", "execute-api", "us-east-1", true},
		{"abc-vpce-1.execute-api.us-east-1.vpce.amazonaws.com", "execute-api", "us-east-1", true},
		{"runtime.sagemaker.us-east-1.amazonaws.com", "sagemaker", "us-east-1", true},
		{"api.ecr.us-east-1.amazonaws.com", "ecr", "us-east-1", true},
		{"search-domain-abc.us-east-1.es.amazonaws.com", "es", "us-east-1", true},
		{"abc.us-east-1.aoss.amazonaws.com", "aoss", "us-east-1", true},
		{"doc-x.us-east-1.cloudsearch.amazonaws.com", "cloudsearch", "us-east-1", true},
		{"abc-ats.iot.us-east-1.amazonaws.com", "iotdata", "us-east-1", true},
		{"data.iot.us-east-1.amazonaws.com", "iotdata", "us-east-1", true},
		{"data.jobs.iot.us-east-1.amazonaws.com", "iot-jobs-data", "us-east-1", true},
		{"iot.us-east-1.amazonaws.com", "iot", "us-east-1", true},
		{"metering.marketplace.us-east-1.amazonaws.com", "aws-marketplace", "us-east-1", true},
		{"iam.amazonaws.com", "iam", "us-east-1", false},
		{"sts.amazonaws.com", "sts", "us-east-1", false},
		{"sts.us-east-2.amazonaws.com", "sts", "us-east-2", true},
		{"route53.amazonaws.com", "route53", "us-east-1", false},
		{"globalaccelerator.amazonaws.com", "globalaccelerator", "us-west-2", false},
		{"iam.us-gov.amazonaws.com", "iam", "us-gov-west-1", false},
		{"iam.cn-north-1.amazonaws.com.cn", "iam", "cn-north-1", true},
		{"route53.amazonaws.com.cn", "route53", "cn-northwest-1", false},
		{"ec2.us-iso-east-1.c2s.ic.gov", "ec2", "us-iso-east-1", true},
		{"sqs.us-isob-east-1.sc2s.sgov.gov", "sqs", "us-isob-east-1", true},
		{"s3.eusc-de-east-1.amazonaws.eu", "s3", "eusc-de-east-1", true},
		{"meetings-chime.us-east-1.amazonaws.com", "chime", "us-east-1", true},
		{"voice-chime-fips.us-east-1.amazonaws.com", "chime", "us-east-1", true},
		{"appconfigdata.eu-west-1.amazonaws.com", "appconfig", "eu-west-1", true},
		{"abc.appsync-api.eu-west-1.amazonaws.com", "appsync", "eu-west-1", true},
		{"cluster-abc.us-east-1.neptune.amazonaws.com", "neptune-db", "us-east-1", true},
		{"portal.sso.eu-west-1.amazonaws.com", "awsssoportal", "eu-west-1", true},
		{"oidc.eu-west-1.amazonaws.com", "awsssooidc", "eu-west-1", true},
		{"participant.connect.us-west-2.amazonaws.com", "execute-api", "us-west-2", true},
		{"greengrass-ats.iot.us-gov-east-1.amazonaws.com", "greengrass", "us-gov-east-1", true},
		{"iam.iam-govcloud.amazonaws.com", "iam", "us-gov-west-1", false},
		{"budgets.amazonaws.com.cn", "budgets", "cn-northwest-1", false},
		{"global.health.amazonaws.com.cn", "health", "cn-northwest-1", false},
		{"ec2.us-isof-south-1.csp.hci.ic.gov", "ec2", "us-isof-south-1", true},
		{"ec2.eu-isoe-west-1.cloud.adc-e.uk", "ec2", "eu-isoe-west-1", true},
		{"lambda.us-iso-east-1.api.aws.ic.gov", "lambda", "us-iso-east-1", true},
		{"lambda.us-isob-east-1.api.aws.scloud", "lambda", "us-isob-east-1", true},
		{"lambda.eusc-de-east-1.api.amazonwebservices.eu", "lambda", "eusc-de-east-1", true},
		{"example.amazonaws.com", "example", "us-east-1", false},
	}
	for _, tt := range tests {
		got, ok := sigv4.ParseHost(tt.host)
		if want := (sigv4.Endpoint{Service: tt.service, Region: tt.region, Explicit: tt.explicit}); !ok || got != want {
			t.Errorf("ParseHost(%s) = %+v, %t, want %+v", tt.host, got, ok, want)
		}
	}
	for _, host := range []string{"", "amazonaws.com", "example.com", "s3.amazonaws.com.evil.example", "evilamazonaws.com", "us-east-1.amazonaws.com", "minio"} {
		if got, ok := sigv4.ParseHost(host); ok {
			t.Errorf("ParseHost(%q) = %+v, want none", host, got)
		}
	}
}

func TestParseAuthorization(t *testing.T) {
	got, ok := sigv4.ParseAuthorization("AWS4-HMAC-SHA256 Credential=AKID/20150830/eu-west-1/s3/aws4_request, SignedHeaders=Host;x-amz-date,Signature=0")
	if !ok || got.Region != "eu-west-1" || got.Service != "s3" || len(got.Headers) != 2 || got.Headers[0] != "host" {
		t.Errorf("ParseAuthorization = %+v, %t", got, ok)
	}
	got, ok = sigv4.ParseAuthorization("AWS4-ECDSA-P256-SHA256 Credential=AKID/20150830/s3/aws4_request, SignedHeaders=host, Signature=0")
	if !ok || got.Region != "" || got.Service != "s3" || got.Algorithm != sigv4.AlgorithmV4A {
		t.Errorf("ParseAuthorization of 4A = %+v, %t", got, ok)
	}
	for _, v := range []string{"", "Bearer x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 x", "Basic a=b, SignedHeaders=x"} {
		if got, ok := sigv4.ParseAuthorization(v); ok {
			t.Errorf("ParseAuthorization(%q) = %+v, want none", v, got)
		}
	}
}
