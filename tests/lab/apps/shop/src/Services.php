<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Shop;

use PDO;
use Redis;

/** The database and the Redis instances, connected at first use. */
final class Services
{
    private const CONNECT_SECONDS = 2;

    private ?PDO $database = null;
    private ?Redis $redis = null;

    public function database(): PDO
    {
        return $this->database ??= self::connectDatabase();
    }

    /** The durable instance: queue, heartbeat of the worker, generated key. */
    public function redis(): Redis
    {
        return $this->redis ??= self::connectRedis('REDIS');
    }

    /** The instance that may evict; null when the shop has none. */
    public static function cache(): ?Redis
    {
        return Config::get('REDIS_CACHE_HOST', '') === '' ? null : self::connectRedis('REDIS_CACHE');
    }

    /** Forgets the connections, so that the next use makes new ones. */
    public function disconnect(): void
    {
        $this->database = null;
        $this->redis = null;
    }

    private static function connectDatabase(): PDO
    {
        $dsn = sprintf(
            'mysql:host=%s;port=%d;dbname=%s;charset=utf8mb4',
            Config::get('DB_HOST'),
            Config::get('DB_PORT', '3306'),
            Config::get('DB_DATABASE'),
        );
        $database = new PDO($dsn, Config::get('DB_USERNAME'), Config::secret('DB_PASSWORD'), [
            PDO::ATTR_TIMEOUT => self::CONNECT_SECONDS,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
            PDO::ATTR_EMULATE_PREPARES => false,
        ]);
        $database->exec("SET time_zone = '+00:00'");
        return $database;
    }

    private static function connectRedis(string $prefix): Redis
    {
        $redis = new Redis();
        $redis->connect(Config::get("{$prefix}_HOST"), (int) Config::get("{$prefix}_PORT", '6379'), self::CONNECT_SECONDS);
        $redis->setOption(Redis::OPT_READ_TIMEOUT, Queue::WAIT_SECONDS + 3);
        $redis->setOption(Redis::OPT_PREFIX, Config::get('REDIS_PREFIX', ''));
        $password = Config::secret("{$prefix}_PASSWORD");
        if ($password !== null) {
            $redis->auth([Config::get("{$prefix}_USERNAME", 'default'), $password]);
        }
        return $redis;
    }
}
