<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Shop;

use RedisException;

/** The products, from the cache when there is one. Without it, or when it fails, the shop is only slower. */
final class Catalogue
{
    private const KEY = 'products';
    private const KEEP_SECONDS = 60;

    private ?\Redis $cache = null;

    public function __construct(private readonly Services $services)
    {
        try {
            $this->cache = Services::cache();
        } catch (RedisException $error) {
            error_log("Cache: {$error->getMessage()}");
        }
    }

    /** A list of {sku, name, note, price_cents, vat_permille}. */
    public function products(): array
    {
        try {
            $cached = $this->cache?->get(self::KEY);
            $this->cache?->incr($cached ? self::KEY . ':hits' : self::KEY . ':misses');
            if ($cached) {
                return json_decode($cached, true);
            }
            $products = $this->read();
            $this->cache?->setEx(self::KEY, self::KEEP_SECONDS, json_encode($products));
            return $products;
        } catch (RedisException $error) {
            error_log("Cache: {$error->getMessage()}");
            $this->cache = null;
            return $this->read();
        }
    }

    /** {hits, misses} so far; null without a cache. */
    public function cacheUse(): ?array
    {
        $counts = $this->cache?->mGet([self::KEY . ':hits', self::KEY . ':misses']);
        return $counts === null ? null : ['hits' => (int) $counts[0], 'misses' => (int) $counts[1]];
    }

    private function read(): array
    {
        return $this->services->database()
            ->query('SELECT sku, name, note, price_cents, vat_permille FROM products ORDER BY id')
            ->fetchAll();
    }
}
