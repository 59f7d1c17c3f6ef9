<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Shop;

/** Proves that a form was sent from this shop's own page: the token is the signature of a random cookie. */
final class FormToken
{
    private const COOKIE = 'shop_visitor';
    private const KEY = 'key';

    public function __construct(private readonly Services $services)
    {
    }

    /** The token for this visitor's forms; sets the cookie at the first visit. */
    public function issue(bool $https): string
    {
        $visitor = $_COOKIE[self::COOKIE] ?? '';
        if (!is_string($visitor) || $visitor === '') {
            $visitor = bin2hex(random_bytes(16));
            setcookie(self::COOKIE, $visitor, ['path' => '/', 'secure' => $https, 'httponly' => true, 'samesite' => 'Lax']);
        }
        return $this->sign($visitor);
    }

    public function holds(mixed $token): bool
    {
        $visitor = $_COOKIE[self::COOKIE] ?? '';
        return is_string($token) && is_string($visitor) && $visitor !== '' && hash_equals($this->sign($visitor), $token);
    }

    private function sign(string $visitor): string
    {
        return hash_hmac('sha256', $visitor, Config::secret('APP_KEY') ?? $this->generatedKey());
    }

    /** All web processes must sign with the same key, so the one that comes first leaves it in Redis. */
    private function generatedKey(): string
    {
        $redis = $this->services->redis();
        $redis->set(self::KEY, bin2hex(random_bytes(32)), ['nx']);
        return $redis->get(self::KEY);
    }
}
