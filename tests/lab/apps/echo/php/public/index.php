<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

header('Content-Type: application/json');
echo json_encode([
    'version' => getenv('APP_VERSION'),
    'server' => $_SERVER,
    'received' => strlen((string) file_get_contents('php://input')),
    'files' => array_map(static fn (array $file): array => ['error' => $file['error'], 'size' => $file['size']], $_FILES),
]);
