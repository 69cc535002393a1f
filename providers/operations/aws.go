package operations

import (
	"slices"
	"strings"
)

// iamPrefixes are services' names in IAM where they are not those by which requests are
// signed.
var iamPrefixes = map[string]string{"monitoring": "cloudwatch", "email": "ses", "data.iot": "iot", "streams.dynamodb": "dynamodb", "api.ecr": "ecr", "api.ecr-public": "ecr-public"}

// iamActions are those of calls that IAM has no action of the same name for.
var iamActions = map[string]string{
	"s3:ListBuckets": "ListAllMyBuckets", "s3:ListObjects": "ListBucket", "s3:ListObjectsV2": "ListBucket", "s3:HeadBucket": "ListBucket",
	"s3:HeadObject": "GetObject", "s3:SelectObjectContent": "GetObject", "s3:ListObjectVersions": "ListBucketVersions",
	"s3:ListMultipartUploads": "ListBucketMultipartUploads", "s3:ListParts": "ListMultipartUploadParts",
	"s3:CopyObject": "PutObject", "s3:CreateMultipartUpload": "PutObject", "s3:UploadPart": "PutObject", "s3:UploadPartCopy": "PutObject",
	"s3:CompleteMultipartUpload": "PutObject", "s3:DeleteObjects": "DeleteObject",
	"s3:GetBucketCors": "GetBucketCORS", "s3:PutBucketCors": "PutBucketCORS", "s3:DeleteBucketCors": "PutBucketCORS",
	"s3:GetBucketEncryption": "GetEncryptionConfiguration", "s3:PutBucketEncryption": "PutEncryptionConfiguration", "s3:DeleteBucketEncryption": "PutEncryptionConfiguration",
	"s3:GetBucketLifecycle": "GetLifecycleConfiguration", "s3:GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
	"s3:PutBucketLifecycle": "PutLifecycleConfiguration", "s3:PutBucketLifecycleConfiguration": "PutLifecycleConfiguration", "s3:DeleteBucketLifecycle": "PutLifecycleConfiguration",
	"s3:GetBucketReplication": "GetReplicationConfiguration", "s3:PutBucketReplication": "PutReplicationConfiguration", "s3:DeleteBucketReplication": "PutReplicationConfiguration",
	"s3:DeleteBucketTagging": "PutBucketTagging", "s3:GetBucketNotificationConfiguration": "GetBucketNotification", "s3:PutBucketNotificationConfiguration": "PutBucketNotification",
	"s3:GetObjectLockConfiguration": "GetBucketObjectLockConfiguration", "s3:PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
	"s3:GetPublicAccessBlock": "GetBucketPublicAccessBlock", "s3:PutPublicAccessBlock": "PutBucketPublicAccessBlock", "s3:DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
	"sqs:SendMessageBatch": "SendMessage", "sqs:DeleteMessageBatch": "DeleteMessage", "sqs:ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
	"lambda:Invoke": "InvokeFunction", "lambda:InvokeWithResponseStream": "InvokeFunction", "dynamodb:TransactGetItems": "GetItem",
	"bedrock:Converse": "InvokeModel", "bedrock:ConverseStream": "InvokeModelWithResponseStream",
}

// AWSName is the action that IAM permits a call by, s3:PutObject. Service is the name in
// the signature's scope, call that of the operation in the service's model.
func AWSName(service, call string) string {
	prefix := service
	if p := iamPrefixes[service]; p != "" {
		prefix = p
	}
	if action := iamActions[prefix+":"+call]; action != "" {
		call = action
	}
	return prefix + ":" + call
}

var (
	awsReading = []string{"Get", "List", "Describe", "BatchGet", "BatchDescribe", "Head", "Scan", "Query", "Search", "Lookup", "TransactGet", "Filter", "Simulate", "Select"}
	// awsQuery are services whose Query and Select read only.
	awsQuery    = []string{"dynamodb", "timestream", "s3"}
	awsDeleting = []string{"Delete", "BatchDelete", "Terminate", "Purge", "Remove", "Deregister", "Destroy", "Revoke", "ScheduleKeyDeletion", "Release"}
	awsAdmin    = []string{"Policy", "Policies", "Permission", "Permissions", "Acl", "AccessKey", "LoginProfile", "ServiceSpecificCredential", "PublicAccessBlock", "AccessPoint", "Grant", "KeyPair", "FederationToken", "SessionToken", "AssumeRole"}
	awsAccess   = []string{"iam", "organizations", "sso", "sso-admin", "identitystore", "account", "access-analyzer", "rolesanywhere", "cognito-idp"}
)

// AWSEffect is what a call does, by its verb; in services that decide who may do what,
// whatever writes is for admins.
func AWSEffect(service, call string) Effect {
	begins := func(verbs []string) bool {
		return slices.ContainsFunc(verbs, func(v string) bool { return strings.HasPrefix(call, v) })
	}
	mints := service == "sts" && call != "GetCallerIdentity" && call != "DecodeAuthorizationMessage" && call != "GetAccessKeyInfo"
	switch {
	case mints:
		return Admin
	case begins(awsReading) && (!begins([]string{"Query", "Select", "Scan"}) || slices.Contains(awsQuery, service)):
		return Read
	case strings.HasPrefix(call, "Purchase"):
		return Money
	case slices.Contains(awsAccess, service), slices.ContainsFunc(awsAdmin, func(w string) bool { return strings.Contains(call, w) }):
		return Admin
	case begins(awsDeleting):
		return Delete
	}
	return Write
}
