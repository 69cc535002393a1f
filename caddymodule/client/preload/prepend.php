<?php
// What `attache exec` lets PHP read before a program (auto_prepend_file): streams know
// no proxy variable.
(static function (): void {
    $proxy = parse_url((string) (getenv('HTTPS_PROXY') ?: getenv('https_proxy')));
    $ours = parse_url((string) getenv('ATTACHE_PROXY'));
    if (empty($proxy['host']) || $proxy['host'] !== ($ours['host'] ?? '') || ($proxy['port'] ?? 0) !== ($ours['port'] ?? 0)) {
        return;
    }
    $secure = ($proxy['scheme'] ?? 'http') === 'https';
    $http = [
        'proxy' => ($secure ? 'ssl' : 'tcp') . '://' . $proxy['host'] . ':' . ($proxy['port'] ?? ($secure ? 443 : 80)),
        'request_fulluri' => true,
    ];
    if (isset($proxy['user'])) {
        $user = rawurldecode($proxy['user']) . ':' . rawurldecode($proxy['pass'] ?? '');
        $http['header'] = 'Proxy-Authorization: Basic ' . base64_encode($user);
    }
    stream_context_set_default(['http' => $http]);
})();
