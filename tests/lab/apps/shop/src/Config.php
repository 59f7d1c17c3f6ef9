<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Shop;

/** What the environment says. An empty variable counts as unset. */
final class Config
{
    public static function get(string $name, ?string $default = null): string
    {
        $value = getenv($name);
        if ($value !== false && $value !== '') {
            return $value;
        }
        return $default ?? throw new \RuntimeException("$name is not set, and the shop cannot do without it.");
    }

    /** The content of the file that $name_FILE names; null when that variable is unset. */
    public static function secret(string $name): ?string
    {
        $path = self::get("{$name}_FILE", '');
        if ($path === '') {
            return null;
        }
        $content = @file_get_contents($path);
        if ($content === false) {
            throw new \RuntimeException("{$name}_FILE is $path, which cannot be read: mount it readable for uid " . posix_geteuid() . '.');
        }
        return rtrim($content, "\r\n");
    }
}
