<?php

// SPDX-FileCopyrightText: 2026 onebox.stack contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// Healthy while the worker or the scheduler (argument 1) has made a good pass within argument 2 seconds, 30 unless given.

declare(strict_types=1);

$heartbeat = "/tmp/{$argv[1]}.heartbeat";
$limit = (int) ($argv[2] ?? 30);
$age = is_file($heartbeat) ? time() - filemtime($heartbeat) : null;
echo "{$argv[1]}: ", $age === null ? 'no heartbeat yet' : "heartbeat $age s ago", " (limit $limit s)\n";
exit($age !== null && $age <= $limit ? 0 : 1);
