<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Shop;

require __DIR__ . '/format.php';

spl_autoload_register(static function (string $class): void {
    require __DIR__ . '/' . substr($class, strlen(__NAMESPACE__) + 1) . '.php';
});

if (PHP_SAPI === 'cli') {
    set_exception_handler(static function (\Throwable $error): never {
        fwrite(STDERR, $error->getMessage() . PHP_EOL);
        exit(1);
    });
}
