# What agents do with S3, by boto3: s3.py BUCKET path|virtual. It prints one line
# of JSON, which is the same with and without the proxy.
#
#   AWS_ENDPOINT_URL  another origin than Amazon's
import hashlib
import io
import json
import os
import sys
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

bucket, style = sys.argv[1:3]
endpoint = os.environ.get('AWS_ENDPOINT_URL')


def client(**options):
    return boto3.client('s3', endpoint_url=endpoint, config=Config(
        s3={'addressing_style': style, **options.pop('s3', {})}, signature_version=options.pop('version', 's3v4'), retries={'max_attempts': 0}))


s3 = client()
out = {}


def said(name, call):
    """call's result, or the error code that the service answered."""
    try:
        out[name] = call()
    except ClientError as e:
        out[name] = e.response['Error']['Code']


def digest(key):
    return hashlib.md5(s3.get_object(Bucket=bucket, Key=key)['Body'].read()).hexdigest()


big = b''.join(i.to_bytes(4, 'big') for i in range(3 << 20))  # 12 MiB

boto3.client('s3', endpoint_url=endpoint, config=Config(s3={'addressing_style': 'path'}, signature_version='s3v4')).create_bucket(Bucket=bucket)
said('put', lambda: s3.put_object(Bucket=bucket, Key='small', Body=b'hello', ContentType='text/plain', Metadata={'note': 'two  words'})['ETag'])
said('get', lambda: s3.get_object(Bucket=bucket, Key='small')['Body'].read().decode())
said('range', lambda: s3.get_object(Bucket=bucket, Key='small', Range='bytes=1-3')['Body'].read().decode())
said('head', lambda: s3.head_object(Bucket=bucket, Key='small')['Metadata'])
said('empty', lambda: s3.put_object(Bucket=bucket, Key='empty', Body=b'')['ETag'])
said('missing', lambda: s3.get_object(Bucket=bucket, Key='no such key'))
# Checksums travel in a trailer of an aws-chunked body (STREAMING-UNSIGNED-PAYLOAD-TRAILER).
for algorithm in 'CRC32', 'SHA256':
    said('trailer ' + algorithm, lambda: s3.put_object(Bucket=bucket, Key='sum', Body=io.BytesIO(big), ChecksumAlgorithm=algorithm)['Checksum' + algorithm])
    said('trailer read ' + algorithm, lambda: digest('sum'))
said('signed body', lambda: client(s3={'payload_signing_enabled': True}).put_object(Bucket=bucket, Key='signed', Body=big)['ETag'])
# Several parts at once.
s3.upload_fileobj(io.BytesIO(big), bucket, 'parts', Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
said('multipart', lambda: [s3.head_object(Bucket=bucket, Key='parts')['ETag'], digest('parts')])

odd = ['a b', 'a+b', 'a%20b', 'a%2Fb', 'ключ/日本', "q?a=1&b;c#d", "!'()*~@:$,=", 'tilde~/dot.', 'emoji-😀', 'deep/er/and/deeper', '"quoted"', 'back\\slash', '[x]{y}|z^`']
for key in odd:
    said('odd put ' + key, lambda: s3.put_object(Bucket=bucket, Key='odd/' + key, Body=key.encode())['ETag'])
    said('odd get ' + key, lambda: s3.get_object(Bucket=bucket, Key='odd/' + key)['Body'].read().decode())
said('odd list', lambda: sorted(o['Key'] for o in s3.list_objects_v2(Bucket=bucket, Prefix='odd/')['Contents']))
said('odd prefix', lambda: [o['Key'] for o in s3.list_objects_v2(Bucket=bucket, Prefix='odd/a%', Delimiter='/').get('Contents', [])])
said('pages', lambda: sum(len(p.get('Contents', [])) for p in s3.get_paginator('list_objects_v2').paginate(Bucket=bucket, PaginationConfig={'PageSize': 3})))
for key in 'double//slash', '/leading', 'trailing/', 'dot/./segment', 'dot/../segment':
    said('path put ' + key, lambda: s3.put_object(Bucket=bucket, Key=key, Body=b'')['ETag'])
    said('path get ' + key, lambda: s3.get_object(Bucket=bucket, Key=key)['Body'].read().decode())
said('copy', lambda: s3.copy_object(Bucket=bucket, Key='copied', CopySource={'Bucket': bucket, 'Key': 'odd/ключ/日本'}, MetadataDirective='REPLACE', Metadata={'a': 'b'})['CopyObjectResult']['ETag'])
said('tags', lambda: s3.put_object_tagging(Bucket=bucket, Key='copied', Tagging={'TagSet': [{'Key': 'k k', 'Value': 'v+v'}]}) and s3.get_object_tagging(Bucket=bucket, Key='copied')['TagSet'])
said('delete many', lambda: sorted(d['Key'] for d in s3.delete_objects(Bucket=bucket, Delete={'Objects': [{'Key': 'odd/' + k} for k in odd]})['Deleted']))


def fetch(method, url, body=None):
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request, context=context()) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, ''


def context():
    import ssl
    return ssl.create_default_context(cafile=os.environ.get('AWS_CA_BUNDLE'))


# URLs presigned with the client's own keys.
said('presigned put', lambda: fetch('PUT', s3.generate_presigned_url('put_object', {'Bucket': bucket, 'Key': 'pre signed'}), b'presigned'))
said('presigned get', lambda: fetch('GET', s3.generate_presigned_url('get_object', {'Bucket': bucket, 'Key': 'pre signed', 'ResponseContentType': 'text/x-odd; a=b c'})))
said('buckets', lambda: bucket in [b['Name'] for b in s3.list_buckets()['Buckets']])
print(json.dumps(out, ensure_ascii=False))
